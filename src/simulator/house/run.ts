import type { CoverageCounts } from './coverage.ts'
import { createExcuses, type Excuses } from './excuses.ts'
import { createInvariants } from './invariants/all.ts'
import type { Breach } from './invariants/invariant.ts'
import { type Checkers, createCheckers } from './invariants/invariants.ts'
import type { Tables, WorkloadRow } from './invariants/tables.ts'
import { behaviourOf } from './process.ts'
import { asking, carryOut, declareAgain } from './steps.ts'
import { goneSites, type Story, undeclaredSites } from './story.ts'
import type { Line } from './trace.ts'
import { type MakeBacking, openWorld, type World } from './world.ts'

/** What became of a story. */
export type Ending = {
  /** What must not be, with when it was seen first; none is what one wants. */
  breaches: (Breach & { at: number })[]
  /** What happened last, the oldest first. */
  last: Line[]
  /** Of all that happened: the same story has the same. */
  digest: string
  calls: number
  /** How long it lasted in the house. */
  simulatedMs: number
  from: number
  coverage: CoverageCounts
}

/** How often all that must be true is looked at beside after each step, and until when all has to have come to rest. */
const [lookEveryMs, restMs] = [60_000, 4 * 3_600_000]

/** Runs a story to its end, or to the first look at which something is not as it must be. */
export async function runStory(story: Story, makeBacking: MakeBacking, lines = 400): Promise<Ending> {
  const world = await openWorld(story, makeBacking, lines)
  const breaches: Ending['breaches'] = []
  const { planes, cloud } = world
  const isDown = (site: string): boolean => cloud.down(nameOf(site)) !== null
  const excuses = createExcuses(story, { from: world.from, lives: planes.lives, isDown })
  const checkers = checkersOf(world, excuses, undeclaredSites(story))
  const look = async (atRest = false): Promise<boolean> => {
    excuses.look(world.clock.now())
    const found = atRest ? await checkers.lookAtRest() : await checkers.look()
    const bugs = world.bugs
      .splice(0)
      .map((what) => ({ invariant: 'no loop, and no request, fails of itself', rule: 3, what }))
    breaches.push(...[...found, ...bugs].map((breach) => ({ ...breach, at: world.clock.now() - world.from })))
    return breaches.length === 0
  }
  try {
    await tell(story, world, look)
  } finally {
    await world.close()
  }
  const { clock, from, trace, coverage } = world
  countTroubles(world)
  return {
    breaches,
    last: trace.last(lines),
    digest: trace.digest(),
    calls: trace.count(),
    simulatedMs: clock.now() - from,
    from,
    coverage: coverage.counts(),
  }
}

type Look = (atRest?: boolean) => Promise<boolean>

async function tell(story: Story, world: World, look: Look): Promise<void> {
  for (const { name } of story.planes) await world.planes.start(name)
  for (const { name, fields } of story.projects) {
    const made = world.ask('PUT', `/v1/projects/${name}`, fields).then((answer) => {
      if (answer?.status !== 200) world.bugs.push(`the project ${name} was not made: ${JSON.stringify(answer)}`)
    })
    await Promise.race([made, world.clock.advance(1)])
  }
  for (const step of story.steps.toSorted((one, other) => one.at - other.at)) {
    if (!(await goOn(world, world.from + step.at, look))) return
    carryOut(step, world)
    if (!(await look())) return
  }
  if (!(await goOn(world, world.from + story.calmAt, look)) || !(await look())) return
  calm(story, world)
  // What failed last is tried again.
  if (!(await goOn(world, world.clock.now() + lookEveryMs, look)) || !(await look())) return
  if (!(await settle(world, look, decided))) return
  // Somebody may have asked for one all the time that only comes now.
  const stop = ({ id, wants }: Row) => void (wants === 'stop' || asking(world, `POST /v1/workloads/${id}/stop`))
  if (!(await settle(world, look, { ...ended, others: stop }))) return
  if (await emptied(world, look, goneSites(story))) await look(true)
}

/** Time goes on until then, with a look now and then. */
async function goOn({ clock }: World, until: number, look: Look): Promise<boolean> {
  while (clock.now() < until) {
    await clock.advance(Math.min(lookEveryMs, until - clock.now()))
    if (clock.now() < until && !(await look())) return false
  }
  return true
}

/** All faults cease, and whoever is dead comes back. */
function calm(story: Story, world: World): void {
  const { cloud, database, network, planes } = world
  world.trace.note({ at: world.clock.now(), who: 'story', what: 'all faults cease', outcome: '' })
  for (const { name } of story.cloud.sites) {
    cloud.calm(name)
    cloud.restore(name)
    network.cut(name, false)
  }
  declareAgain([...world.undeclared], world)
  database.calm()
  for (const life of planes.lives.values()) life.calm()
}

type Row = Readonly<WorkloadRow>

const isEnded = (state: string): boolean => state === 'succeeded' || state === 'failed' || state === 'stopped'

/** How all workloads are to be in the end, and what is wrong with one that is not. */
type Rest = {
  isSo: (row: Row) => boolean
  wrong: string
  /** What to do about those that are not so yet. */
  others?: (row: Row) => void
}

const ended: Rest = {
  isSo: ({ state }) => isEnded(state),
  wrong: 'does not end though it was stopped',
}

const decided: Rest = {
  isSo: ({ state, kind, refusal, reason, attempts }) =>
    isEnded(state) ||
    state === 'held' ||
    // One whose program ends at once is started for ever, and where that takes long it hardly runs.
    (kind === 'service' && (state === 'running' || (state === 'starting' && attempts > 3))) ||
    (state === 'queued' && (refusal !== null || reason !== '')),
  wrong: 'has neither ended nor said why it waits',
}

/** Lets time go by until all workloads are so. */
async function settle(world: World, look: Look, { isSo, wrong, others: told }: Rest): Promise<boolean> {
  const end = world.clock.now() + restMs
  for (;;) {
    const rows = [...(await world.backing.tables()).workloads.values()]
    // Who is told to stop ends, even if it hangs.
    const hanging = told ? null : hangingIn(world)
    const others = rows.filter((row) => !isSo(row) && !hanging?.has(row.id))
    if (others.length === 0) return true
    if (told) others.forEach(told)
    if (world.clock.now() >= end) {
      const tables = await world.backing.tables()
      const late = told ? others : others.filter((row) => !stillRuns(row, tables, world.clock.now()))
      world.bugs.push(...late.map((row) => `${row.name} ${wrong}: ${rowsText(row, tables)}`))
      return look()
    }
    if (!(await goOn(world, world.clock.now() + lookEveryMs, look)) || !(await look())) return false
  }
}

/** Workloads of which a rank hangs for ever, which nobody can tell from one that works. */
const hangingIn = ({ cloud }: World): Set<string> =>
  new Set(
    cloud
      .open()
      .flatMap((provider) => provider.sites())
      .flatMap(({ name }) => cloud.gangs(name))
      .filter(({ odd, closed }) => odd?.how === 'hung' && !closed)
      .map(({ workload }) => workload),
  )

/** Whether it runs, and may for as long as its ranks take. */
function stillRuns({ id, state, spec }: Row, { attempts }: Tables, now: number): boolean {
  const live = [...attempts.values()].filter(({ workload, endedAt }) => workload === id && endedAt === null)
  const overAt = (startedAt: number | null): number => (startedAt ?? now) + behaviourOf(spec.env).runMs + lookEveryMs
  return state === 'running' && live.length > 0 && live.every(({ startedAt }) => now < overAt(startedAt))
}

/** What is known of a workload that has not come to rest. */
function rowsText({ id, state, reason }: Row, tables: Tables): string {
  const ofIt = <T extends { workload: string }>(rows: ReadonlyMap<string, T>): T[] =>
    [...rows.values()].filter(({ workload }) => workload === id).slice(-3)
  const leases = ofIt(tables.leases)
  const ranks = [...tables.ranks.values()].filter(({ lease }) => leases.some((one) => one.id === lease))
  return [
    `it is ${state}, "${reason}"`,
    ...[...ofIt(tables.replicas), ...ofIt(tables.attempts), ...leases, ...ranks].map((row) => JSON.stringify(row)),
  ].join('\n')
}

/** Lets time go by until nothing is left at any site; at one that is gone nobody can say of a lease that it is over. */
async function emptied(world: World, look: Look, gone: ReadonlySet<string>): Promise<boolean> {
  const { clock, cloud } = world
  const end = clock.now() + restMs
  const sites = cloud.open().flatMap((provider) => provider.sites())
  for (;;) {
    const left = sites.flatMap(({ name }) => cloud.gangs(name)).filter(({ closed }) => !closed)
    const { leases } = await world.backing.tables()
    const over = (site: string) => ['gone', 'refused', ...(gone.has(site) ? ['stopping', 'lost'] : [])]
    const open = [...leases.values()].filter(({ state, site }) => !over(site).includes(state))
    if (left.length === 0 && open.length === 0) return true
    if (clock.now() >= end) {
      world.bugs.push(...left.map(({ token, workload }) => `${token} of ${workload} is left at its provider`))
      world.bugs.push(...open.map(({ id, state }) => `the lease ${id} is still ${state}`))
      return look()
    }
    if (!(await goOn(world, clock.now() + lookEveryMs, look)) || !(await look())) return false
  }
}

function checkersOf(world: World, { able }: Excuses, undeclared: ReadonlySet<string>): Checkers {
  const { backing, clock, cloud, watch, decisions } = world
  return createCheckers(
    {
      tables: () => backing.tables(),
      events: backing.store.events,
      clock,
      clouds: cloud.byProvider,
      calls: watch.taken,
      asked: watch.asked,
      decisions: decisions.taken,
      agentsOf: world.ranks.agentsOf,
      readers: world.readers,
      people: world.asks,
      undeclared,
      offered: watch.offered,
      tookBack: watch.tookBack,
      able,
    },
    createInvariants(),
  )
}

/** `name` of `provider/name`. */
const nameOf = (site: string): string => site.slice(site.indexOf('/') + 1)

/** What befell calls at providers, into the table of what met what. */
function countTroubles({ cloud, coverage, recorder }: World): void {
  for (const { at, site, call, token, fault } of cloud.befell())
    coverage.met({
      fault,
      operation: call === null ? 'site' : `provider.${call}`,
      state: recorder.orders.get(`${site} ${call} ${token} ${at}`) ?? '-',
    })
}
