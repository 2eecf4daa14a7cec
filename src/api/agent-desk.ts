import { Cancel, type Cancelled } from '#kit/cancel.ts'
import type { AgentAnswer, AgentReport } from '#model/agent-protocol.ts'
import type { AgentView } from '#store/store.ts'
import { makeGo, mayGo, newsOf } from './agent-answer.ts'
import { createWaitingRoom, type WaitingRoom } from './agent-waiting.ts'
import { createAllowance } from './allowance.ts'
import type { ApiHouse } from './house.ts'
import { Problem } from './problem.ts'

/** Where agents report and are told. */
export type AgentDesk = {
  sync(lease: string, report: AgentReport, signal: AbortSignal): Promise<AgentAnswer>
  /** Answers all who wait: where to dial is not what it was. */
  tellAddresses(): void
  close(): void
}

/** However long an agent would wait: its silence must stay shorter than what counts as silence. */
const longestWaitMs = 20_000
/** All agents that wait are noted as heard so often, in one statement. */
const heardEveryMs = 2000

/**
 * Meets agents. Their long polls wait here, by lease; a nudge of the store makes one look at all leases that somebody
 * waits for, and wakes only those for whom there is news.
 */
export function createAgentDesk(house: ApiHouse): AgentDesk {
  const room = createWaitingRoom(house.clock)
  const allowance = createAllowance({ perSecond: 50, burst: 200 })
  const off = house.bell.onRing('agents', createLook(house, room))
  const closed = new Cancel()
  const hear = createHearing(house, room, closed)

  async function sync(lease: string, report: AgentReport, signal: AbortSignal): Promise<AgentAnswer> {
    if (!allowance.take(`${lease}/${report.rank}`, house.clock.now()))
      throw new Problem('too-many', 'This agent reports too often; it should wait with `waitMs`.')
    const until = house.clock.now() + Math.min(report.waitMs, longestWaitMs)
    let ended = report.tasks?.ended ?? []
    const known = addresses(house).join()
    for (;;) {
      const view = await house.store.agents.view(lease)
      if (!view || view.fenced) return fencedAnswer(house)
      if (report.rank >= view.ranks.length) throw new Problem('usage', `The lease has ${view.ranks.length} ranks.`)
      await house.store.agents.report(lease, report, house.clock.now())
      const tasks = report.tasks ? await serveTasks(house, lease, { ...report.tasks, ended }) : null
      ended = []
      const answer = await answerOf(house, { lease, report, before: view, tasks })
      const left = until - house.clock.now()
      // An agent that does not hear of a new control plane could not report when this one dies.
      const isElsewhere = answer.controlPlanes.join() !== known
      if (isNews(answer, report) || isElsewhere || left <= 0 || signal.aborted) return answer
      const facts = { rank: report.rank, seen: report.seen, tasks: (report.tasks?.wanted ?? 0) > 0 }
      hear()
      await room.wait(lease, facts, { mostMs: left, signal })
    }
  }

  return {
    sync,
    tellAddresses: () => room.wakeAll(),
    close() {
      off()
      closed.cancel()
      room.wakeAll()
    },
  }
}

/** Looks for news of all leases that are waited for; once more when it is asked to while it looks. */
function createLook(house: ApiHouse, room: WaitingRoom): () => void {
  let looking = false
  let again = false
  const look = async () => {
    const leases = room.leases()
    if (leases.length === 0) return
    const views = await house.store.agents.views(leases)
    for (const lease of leases) {
      const view = views.get(lease)
      room.tell(lease, view ? newsOf(view).version : 'fenced')
    }
  }
  return async () => {
    again = true
    if (looking) return
    looking = true
    while (again) {
      again = false
      await look().catch((error: unknown) => house.log.error({ error }, 'could not look for news of agents'))
    }
    looking = false
  }
}

/** Notes those who wait while somebody does, until the desk is closed; never twice at a time, should the database be slow. */
function createHearing({ store, clock, log }: ApiHouse, room: WaitingRoom, closed: Cancelled): () => void {
  let hears = false
  const hear = async () => {
    for (;;) {
      await clock.sleep(heardEveryMs, closed)
      const ranks = closed.aborted ? [] : room.ranks()
      hears = ranks.length > 0
      if (!hears) return
      await store.agents
        .heard(ranks, clock.now())
        .catch((error: unknown) => log.error({ error }, 'could not note which agents wait'))
    }
  }
  return () => {
    if (hears) return
    hears = true
    void hear()
  }
}

type Tasks = { leased: number[]; over: boolean }

const serveTasks = (house: ApiHouse, lease: string, tasks: NonNullable<AgentReport['tasks']>): Promise<Tasks> =>
  house.store.agents.tasks(lease, tasks, house.clock.now())

const isNews = (answer: AgentAnswer, report: AgentReport): boolean =>
  answer.version !== report.seen || answer.tasks.length > 0 || (answer.tasksOver && couldTakeTasks(report))

/** Whoever works on its last tasks has time to hear that there are no more until it asks for some. */
const couldTakeTasks = ({ tasks }: AgentReport): boolean =>
  tasks !== undefined && (tasks.wanted > 0 || tasks.held.length === 0)

type Reported = { lease: string; report: AgentReport; before: AgentView; tasks: Tasks | null }

async function answerOf(house: ApiHouse, facts: Reported): Promise<AgentAnswer> {
  const { report, tasks } = facts
  const view = await afterReport(house, facts)
  const news = newsOf(view)
  return {
    version: news.version,
    go: mayGo(news, report) ? await makeGo(house, view, report.rank) : null,
    stop: news.stop,
    fenced: news.fenced,
    tasks: tasks?.leased ?? [],
    tasksOver: tasks?.over ?? false,
    controlPlanes: addresses(house),
  }
}

/** The rows with the report in them. It may be the last arrival, and who reports at the same time is only seen by looking again. */
async function afterReport(house: ApiHouse, { lease, report, before }: Reported): Promise<AgentView> {
  const known = before.ranks.find(({ rank }) => rank === report.rank)
  if (known?.state === report.state) return before
  const isAlone = before.ranks.length === 1
  if (isAlone && known?.state === 'expected' && report.state === 'arrived')
    return { ...before, ranks: [{ ...known, state: 'arrived', address: report.address }] }
  return (await house.store.agents.view(lease)) ?? before
}

const fencedAnswer = (house: ApiHouse): AgentAnswer => ({
  version: 'fenced',
  go: null,
  stop: null,
  fenced: true,
  tasks: [],
  tasksOver: true,
  controlPlanes: addresses(house),
})

/** Where agents may dial, this control plane first. */
export const addresses = ({ self }: ApiHouse): string[] => [
  ...new Set([self.url(), ...self.controlPlanes().map(({ url }) => url)]),
]
