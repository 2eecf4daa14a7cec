import { createRandom } from '#kit/random.ts'
import { deriveKey } from '#kit/seal.ts'
import { createFakeClock, type FakeClock, type Settle } from '#simulator/fake-clock.ts'
import type { Provider } from '#providers/provider.ts'
import type { Store } from '#store/store.ts'
import { type Clouds, createClouds } from './clouds.ts'
import { providerThrough, storeThrough } from './connection.ts'
import { type Coverage, createCoverage } from './coverage.ts'
import { createDirectSolver } from './direct-solver.ts'
import { createDatabase, type Database } from './database.ts'
import { createDecisions, type Decisions } from './invariants/decisions.ts'
import type { Tables } from './invariants/tables.ts'
import { createWatch, type Watch } from './invariants/watch.ts'
import { type Life, planeOf } from './life.ts'
import { memoryBlobs } from './memory-blobs.ts'
import { createNetwork, type Network } from './network.ts'
import { type Ask, type Asks, createAsk } from './people.ts'
import type { Ground } from './plane.ts'
import { createPlanes, type Planes } from './planes.ts'
import { createRanks, type Ranks } from './ranks.ts'
import type { Reader } from './readers.ts'
import { createRecorder, type Recorder } from './record.ts'
import type { Story } from './story.ts'
import { createTrace, type Trace } from './trace.ts'
import { isExpected } from './wrong.ts'

/** What remembers a simulated house: a store, and its rows. */
export type Backing = {
  store: Store
  tables(): Tables | Promise<Tables>
  /** In which state a lease is, where that takes no query; undefined where there is none. */
  leaseState?: (lease: string) => string | undefined
  /** Resolves when nothing of it is under way; a store in memory needs none of that. */
  quiet?: () => Promise<void>
  /** It dies and is there again; one that cannot be made to loses nothing. */
  crash?: () => void
  close(): Promise<void>
}

export type MakeBacking = (clock: FakeClock) => Backing | Promise<Backing>

/** A whole house in simulated surroundings: control planes that live and die over one store, a cloud, agents and people. */
export type World = Surroundings & {
  planes: Planes
  ask: Ask
  close(): Promise<void>
}

/** What is around control planes. */
type Surroundings = {
  clock: FakeClock
  /** When it began. */
  from: number
  backing: Backing
  cloud: Clouds
  database: Database
  network: Network
  trace: Trace
  coverage: Coverage
  recorder: Recorder
  watch: Watch
  decisions: Decisions
  ranks: Ranks
  /** Who follows events. */
  readers: Reader[]
  /** Sites of which control planes that start now do not know. */
  undeclared: Set<string>
  /** What people asked for so far. */
  asks: Asks
  /** What went wrong in a way that no fault explains. */
  bugs: string[]
}

/** Opens the world of a story; nobody lives in it yet. So many lines of what happens are kept. */
export async function openWorld(story: Story, makeBacking: MakeBacking, lines = 400): Promise<World> {
  const around = await surroundings(story, makeBacking, lines)
  const { clock, network, trace, recorder, backing } = around
  const listeners = new Map<Life, (() => void)[]>()
  const solver = story.plansSites ? await createDirectSolver() : null
  const ground = { ...groundOf(story, around, listeners), solver }
  const planes = createPlanes({
    clock,
    network,
    trace,
    recorder,
    ground,
    skewOf: (plane) => story.planes.find(({ name }) => name === plane)?.skewMs ?? 0,
    buried(life) {
      for (const off of listeners.get(life) ?? []) off()
      listeners.delete(life)
    },
  })
  return {
    ...around,
    planes,
    ask: createAsk({ clock, network, token: ground.keys.token, asks: around.asks }),
    async close() {
      planes.close()
      await backing.close()
    },
  }
}

async function surroundings(story: Story, makeBacking: MakeBacking, lines: number): Promise<Surroundings> {
  const settle: Settle = {}
  const clock = createFakeClock(undefined, settle)
  const from = clock.now()
  const backing = await makeBacking(clock)
  if (backing.quiet) settle.quiet = backing.quiet
  else settle.promisesOnly = true
  const [trace, coverage, network] = [createTrace(lines), createCoverage(), createNetwork()]
  const tables = () => backing.tables()
  // Where they take a query nobody waits for them.
  const atHand = (): Tables | null => {
    const there = backing.quiet ? null : tables()
    return there instanceof Promise ? null : there
  }
  const recorder = createRecorder({ clock, trace, coverage, tables: atHand, leaseState: backing.leaseState })
  const database = createDatabase({
    store: backing.store,
    clock,
    met: (fault, plane, call) => recorder.met(fault, { who: plane, call }),
  })
  const cloud = createClouds(cloudOf(story, from), story.seed, clock)
  const watch = createWatch({ clock, tables })
  const decisions = createDecisions(tables)
  const ranks = createRanks({
    seed: String(story.seed),
    cloud,
    clock,
    network,
    agentSites: new Set(story.agents.sites),
    skewMs: story.agents.skewMs,
    cutOff: { share: story.agents.cutOff ?? 0, until: from + story.calmAt },
    environmentOf: async (workload) => (await backing.store.workloads.get(workload))?.spec.env ?? {},
  })
  return {
    clock,
    from,
    backing,
    cloud,
    database,
    network,
    trace,
    coverage,
    recorder,
    watch,
    decisions,
    ranks,
    readers: [],
    undeclared: new Set(),
    asks: { changes: 0, plans: 0 },
    bugs: [],
  }
}

/** The cloud of a story, whose times are from its begin on. */
function cloudOf(story: Story, from: number): Story['cloud'] {
  const windows = story.troubles.map(({ fromMs, toMs, ...rest }) => ({ ...rest, from: from + fromMs, to: from + toMs }))
  return { ...story.cloud, faults: { ...story.cloud.faults, windows } }
}

/** The same adapter, which knows of some sites no more. */
const declaring = (provider: Provider, isKnown: (site: string) => boolean): Provider => ({
  ...provider,
  sites: () => provider.sites().filter(({ name }) => isKnown(name)),
})

const asServersDo = { everyMs: 3_600_000, keepMs: 30 * 24 * 3_600_000 }

function groundOf(story: Story, around: Surroundings, listeners: Map<Life, (() => void)[]>): Omit<Ground, 'solver'> {
  const { backing, clock, database, decisions, recorder, ranks, trace, watch, bugs } = around
  return {
    seed: String(story.seed),
    keeps: story.keeps ?? asServersDo,
    movesPerHour: story.movesNobody ? 0 : 4,
    keys: keysOf(),
    blobs: memoryBlobs(),
    storeOf(life) {
      const call = recorder.caller(life, (name, make) => database.ask(planeOf(life), name, make))
      return storeThrough(decisions.of(backing.store), call, (listen) => {
        const off = database.onNudge(planeOf(life), (nudge, ids) => life.told(() => listen(nudge, ids)))
        listeners.set(life, [...(listeners.get(life) ?? []), off])
        return off
      })
    },
    providersOf(life) {
      const call = recorder.caller(life, (_, make) => make())
      const unknown = new Set(around.undeclared)
      const isKnown = (site: string) => !unknown.has(site) || !around.undeclared.has(site)
      return ranks.open(life.clock).map((one) => providerThrough(watch.of(declaring(one, isKnown), life.name), call))
    },
    wrong(plane, what, error) {
      trace.note({ at: clock.now(), who: plane, what, outcome: String(error).slice(0, 300) })
      if (!isExpected(error)) bugs.push(`${plane}: ${what}: ${error instanceof Error ? error.stack : String(error)}`)
    },
  }
}

function keysOf(): Ground['keys'] {
  const key = createRandom('key').bytes(32)
  return {
    token: 'the-token-of-people',
    secrets: deriveKey(key, 'secrets'),
    credentials: deriveKey(key, 'credentials'),
    bundles: deriveKey(key, 'bundles'),
  }
}
