import { aHouseThatAdmits } from '#rigs/admission.ts'
import { createHeap, type Heap } from '#kit/heap.ts'
import type { Change } from '#model/change.ts'
import type { Decision } from '#model/plan.ts'
import { admit } from '#reconcilers/admit.ts'
import type { House } from '#reconcilers/reconciler.ts'
import { startLoops } from '#reconcilers/run.ts'
import { aStore, someIds, withPostgres } from '#rigs/postgres.ts'
import type { Job } from '#simulator/traces/job.ts'
import type { Placed, Store } from '#store/store.ts'
import { classOf, type Configuration, createWorkloads } from './configurations.ts'

/** What came of it. Times in milliseconds; those of rounds and writes are sums over all of them. */
export type Played = {
  wallMs: number
  /** From arrival to the commit of the placement, by class. */
  waits: Map<string, number[]>
  rounds: number
  /** Rounds that looked at everything. */
  looks: number
  readMs: number
  decideMs: number
  commitMs: number
  commits: number
  /** From the moment at which work ended until that was durable. */
  endMs: number
  preempted: number
}

/**
 * Plays the work in real time through the durable store: workloads are submitted when they come, those of one moment
 * in one transaction; the loop `admit` decides and commits, as it does in production, woken by the store's nudges; who
 * is placed ends so long after that commit as he runs. What launch and lifecycle would write is written here: that the
 * lease is held and the attempt and the workload run, that they have ended and the lease is gone, or that who was
 * preempted has left and waits again; all that came since the last such write in one transaction, as the
 * loop `follow` does. Every commit waits for the disk.
 */
export async function playDurably({ jobs, projects, site }: Configuration): Promise<Played> {
  await withPostgres({ durable: true })
  await using store = await aStore()
  const house = aHouseThatAdmits(store)
  const { clock } = house
  await store.sites.put(site.info, clock.now())
  await store.sites.offered(site.site, site.offers, site.nodes, clock.now())
  for (const project of projects) await store.projects.put(project)
  const played: Played = { ...none(), waits: new Map() }
  const failed = Promise.withResolvers<never>()
  const runs = createRuns(store, { jobs, played, failed: failed.reject })
  const placement = watched(store.placement, { played, placed: runs.decided })
  const log = { error: ({ error }: { error?: unknown }) => failed.reject(error) }
  const loops = startLoops([admit], { ...house, store: { ...store, placement } }, log)
  try {
    await Promise.race([Promise.all([submitAll(jobs, { store, runs, clock }), runs.all]), failed.promise])
  } finally {
    await loops.stop()
  }
  return played
}

/** How long the store takes to insert all of it, with nothing beside: who submits so much cannot be done sooner. */
export async function insertSeconds(jobs: readonly Job[]): Promise<number> {
  await withPostgres({ durable: true })
  await using store = await aStore()
  const workloadOf = createWorkloads()
  const rows = jobs.map((job) => ({ ...workloadOf(job), id: someIds('w') }))
  const begun = performance.now()
  for (let i = 0; i < rows.length; i += mostAtOnce)
    await store.workloads.submit(rows.slice(i, i + mostAtOnce), Date.now())
  return (performance.now() - begun) / 1000
}

const none = () => ({
  wallMs: 0,
  rounds: 0,
  looks: 0,
  readMs: 0,
  decideMs: 0,
  commitMs: 0,
  commits: 0,
  endMs: 0,
  preempted: 0,
})

type Watch = { played: Played; placed(placed: Placed[], refused: Decision[]): void }

/** Tells how long each round reads, decides and commits, and what it places. */
function watched({ snapshot, commit, ...placement }: Store['placement'], { played, placed: tell }: Watch) {
  let readAt = Infinity
  return {
    ...placement,
    snapshot: async (...given: Parameters<typeof snapshot>) => {
      const start = performance.now()
      const read = await snapshot(...given)
      readAt = performance.now()
      played.readMs += readAt - start
      played.looks += 1
      return read
    },
    commit: async (...given: Parameters<typeof commit>) => {
      const start = performance.now()
      const written = await commit(...given)
      played.rounds += 1
      played.decideMs += Math.max(0, start - readAt)
      readAt = Infinity
      played.commitMs += performance.now() - start
      played.commits += given[1].length
      if (written !== null) tell(given[1], given[2])
      return written
    },
  }
}

type Runs = ReturnType<typeof createRuns>
type Run = { placed: Placed; job: Job; startAt: number; endAt: number }

type Playing = { jobs: readonly Job[]; played: Played; failed(error: unknown): void }

/** Those that run: their starts and ends are written as they come. */
function createRuns(store: Store, { jobs, played, failed }: Playing) {
  const all = Promise.withResolvers<void>()
  const jobOf = new Map<string, Job>()
  const running = new Map<string, Run>()
  const starts = createHeap<Run>((a, b) => a.startAt < b.startAt)
  const ends = createHeap<Run>((a, b) => a.endAt < b.endAt)
  let [begun, toEnd, leaving] = [performance.now(), jobs.length, [] as string[]]
  let [writing, timer] = [0, setTimeout(() => {}, 0)]

  function* dueBy<T extends keyof Run>(heap: Heap<Run>, at: T): Generator<Run> {
    let left = mostInOne
    const now = performance.now()
    for (let run = heap.peek(); left > 0 && run && Number(run[at]) <= now; run = heap.peek()) {
      heap.pop()
      if (running.get(run.placed.leaseId) !== run || (heap === starts && run.endAt <= now)) continue
      left -= 1
      yield run
    }
  }

  function look(): void {
    clearTimeout(timer)
    if (writing === mostWriting) return
    const ended = [...dueBy(ends, 'endAt')]
    for (const { placed } of ended) running.delete(placed.leaseId)
    const started = [...dueBy(starts, 'startAt')]
    const asked = leaving.flatMap((lease) => running.get(lease) ?? [])
    leaving = []
    if (ended.length + started.length + asked.length > 0) {
      writing += 1
      write({ ended, started, asked }).catch(failed)
    }
    const next = Math.min(starts.peek()?.startAt ?? Infinity, ends.peek()?.endAt ?? Infinity)
    if (next < Infinity) timer = setTimeout(look, Math.max(0, next - performance.now()))
  }

  async function write(news: Record<'ended' | 'started' | 'asked', Run[]>): Promise<void> {
    const left = (await Promise.all(news.asked.map(isLeaving))).filter((run) => run !== null)
    for (const { placed } of left) running.delete(placed.leaseId)
    const changes = [
      ...news.ended.flatMap(({ placed }) => endOf(placed)),
      ...news.started.flatMap(({ placed }) => startOf(placed)),
      ...left.flatMap(({ placed }) => leaveOf(placed)),
    ]
    if (changes.length > 0) await store.apply(changes)
    const now = performance.now()
    for (const { endAt } of news.ended) played.endMs += now - endAt
    played.preempted += left.length
    finished(news.ended.length, now)
  }

  function finished(count: number, now: number): void {
    toEnd -= count
    writing -= 1
    if (toEnd > 0) return look()
    played.wallMs = now - begun
    all.resolve()
  }

  /** Nobody leaves where one of those who were to leave together had ended meanwhile. */
  async function isLeaving(run: Run): Promise<Run | null> {
    const attempts = await store.workloads.attempts(run.placed.decision.workload)
    return attempts.some(({ id, state }) => id === run.placed.attemptId && state === 'stopping') ? run : null
  }

  function decided(placed: Placed[], refused: Decision[]): void {
    const now = performance.now()
    for (const one of placed) {
      const job = jobOf.get(one.decision.workload)
      if (!job) throw new Error(`${one.decision.workload} was never submitted`)
      const kind = classOf(job)
      const waits = played.waits.get(kind) ?? []
      played.waits.set(kind, waits)
      waits.push(now - begun - job.arrivalMs)
      const run = { placed: one, job, startAt: now + startMs, endAt: now + job.durationMs }
      running.set(one.leaseId, run)
      starts.push(run)
      ends.push(run)
    }
    leaving.push(...refused.flatMap(({ preempts = [] }) => preempts.map(({ lease }) => lease)))
    look()
  }

  return {
    all: all.promise,
    decided,
    begin: () => (begun = performance.now()),
    known: (id: string, job: Job) => jobOf.set(id, job),
  }
}

/** So many transactions are on their way at a time, each with so many: what the loop `follow` does. */
const [mostWriting, mostInOne] = [1, 200]

/** Agents report so long after the commit that their work runs; what ends before is only told to have ended. */
const startMs = 250

const startOf = ({ decision: { workload: id }, leaseId, attemptId }: Placed): Change[] => [
  { change: 'lease', id: leaseId, to: 'held' },
  { change: 'attempt', id: attemptId, to: 'running', reason: '' },
  { change: 'workload', id, to: 'running', reason: '' },
]

const endOf = ({ decision: { workload: id, replica }, leaseId, attemptId }: Placed): Change[] => [
  { change: 'lease', id: leaseId, to: 'stopping' },
  { change: 'lease', id: leaseId, to: 'gone' },
  { change: 'attempt', id: attemptId, to: 'succeeded', reason: '', exitCode: 0 },
  { change: 'replica-done', workload: id, replica },
  { change: 'workload', id, to: 'succeeded', reason: '', exitCode: 0 },
]

/** Who was made to leave is gone at once, and waits again. */
const leaveOf = ({ decision: { workload: id, replica }, leaseId, attemptId }: Placed): Change[] => [
  { change: 'lease', id: leaseId, to: 'gone' },
  { change: 'attempt', id: attemptId, to: 'stopped', reason: '' },
  { change: 'replica-waits', workload: id, replica, losses: 0, failures: 0, notBefore: 0, avoid: {} },
  { change: 'workload', id, to: 'queued', reason: '' },
]

type Submitting = { store: Store; runs: Runs; clock: House['clock'] }

/** Submits all when they come; what came while a transaction was on its way goes with the next. */
async function submitAll(jobs: readonly Job[], { store, runs, clock }: Submitting): Promise<void> {
  const workloadOf = createWorkloads()
  const rows = jobs.map((job) => ({ ...workloadOf(job), id: someIds('w') }))
  rows.forEach(({ id }, i) => {
    const job = jobs[i]
    if (job) runs.known(id, job)
  })
  const begun = runs.begin()
  for (let i = 0; i < jobs.length;) {
    const wait = (jobs[i]?.arrivalMs ?? 0) - (performance.now() - begun)
    if (wait > 0) await clock.sleep(wait)
    const come = performance.now() - begun
    const first = i
    while (i < jobs.length && i - first < mostAtOnce && (jobs[i]?.arrivalMs ?? 0) <= come) i++
    await store.workloads.submit(rows.slice(first, i), clock.now())
  }
}

/** As many as one request of the API may bring. */
const mostAtOnce = 1000
