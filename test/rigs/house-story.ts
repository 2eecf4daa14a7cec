import assert from 'node:assert/strict'

import type { SimulatedOptions } from '#providers/simulated/options.ts'
import type { WrittenSpec } from '#model/spec/spec.ts'
import { createInvariants } from '#simulator/house/invariants/all.ts'
import type { Bounds } from '#simulator/house/invariants/invariant.ts'
import { type Checkers, createCheckers } from '#simulator/house/invariants/invariants.ts'
import type { AttemptRow, Tables, WorkloadRow } from '#simulator/house/invariants/tables.ts'
import type { Ambush } from '#simulator/house/life.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { behaviourEnv } from '#simulator/house/process.ts'
import type { Story } from '#simulator/house/story.ts'
import { openWorld, type World } from '#simulator/house/world.ts'
import { aSite } from './watched-world.ts'

/** A whole house under a story that a test tells step by step; all invariants are looked at on the way. */
export type HouseStory = AsyncDisposable &
  Pick<World, 'cloud' | 'clock' | 'network' | 'ask' | 'ranks'> & {
    checkers: Checkers
    tables(): Tables
    /** Asks over the API, while time goes on; what is not answered with a good status is thrown. */
    asked(method: string, path: string, body?: unknown): Promise<unknown>
    /** Submits a job that runs for so long, unless more is said; returns its id. */
    submit(name: string, more?: More): Promise<string>
    /** The same for several, in one request. */
    submitAll(names: string[], more?: More): Promise<string[]>
    workload(id: string): WorkloadRow
    /** Its attempts, in their order. */
    attempts(id: string): AttemptRow[]
    runFor(milliseconds: number): Promise<void>
    /** Until it is so; the test fails when it is not within `mostMs`. */
    runUntil(what: string, condition: () => boolean, mostMs?: number): Promise<void>
    /** Until all has ended at all sites and everything that must be true at rest is looked at. */
    toRest(): Promise<void>
    kill(ambush: Partial<Omit<Ambush, 'blow'>> & { plane?: string; downMs?: number }): void
    /** Its process stands still from such a call on, and does not know. */
    pause(ambush: Partial<Omit<Ambush, 'blow'>> & { plane?: string; forMs: number }): void
    cut(site: string, how?: 'unreachable' | 'hanging'): void
    restore(site: string): void
  }

type Given = {
  sites?: SimulatedOptions['sites']
  faults?: SimulatedOptions['faults']
  planes?: string[]
  /** Sites at which our agents run the ranks. */
  agents?: string[]
  seed?: number
  bounds?: Partial<Bounds>
  /** How much time goes by between two looks at the invariants. */
  lookMs?: number
}

export async function aHouse(given: Given = {}): Promise<HouseStory> {
  const { sites = [aSite('west', 4), aSite('east', 4)], planes = ['a'], lookMs = 1_000 } = given
  const world = await openWorld(storyOf(given, sites, planes), onMemory)
  const { clock, cloud, backing } = world
  const tables = () => backing.tables() as Tables // it is in memory
  const away = new Set<string>()
  const checkers = checkersOf(world, away, given.bounds ?? {})
  for (const plane of planes) await world.planes.start(plane)

  const look = async () => assert.deepEqual([...(await checkers.look()), ...world.bugs], [])
  const runFor = async (milliseconds: number) => {
    for (const end = clock.now() + milliseconds; clock.now() < end; await look())
      await clock.advance(Math.min(lookMs, end - clock.now()))
  }
  const runUntil: HouseStory['runUntil'] = async (what, condition, mostMs = 600_000) => {
    for (const end = clock.now() + mostMs; !condition(); await runFor(lookMs))
      assert.ok(clock.now() < end, `${what}: not within ${mostMs} ms`)
  }
  const asked = askOf(world)
  const submitAll: HouseStory['submitAll'] = async (names, more = {}) => {
    await asked('POST', '/v1/workloads', { text: names.map((name) => textOf(name, more)).join('\n---\n') })
    return names.map((name) => idOf(name, tables()))
  }
  const isEmpty = () => [...tables().leases.values()].every(({ state }) => state === 'gone' || state === 'refused')
  return {
    ...world,
    checkers,
    tables,
    asked,
    runFor,
    runUntil,
    submitAll,
    submit: async (name, more) => (await submitAll([name], more))[0] ?? '',
    workload(id) {
      const row = tables().workloads.get(id)
      assert.ok(row, `there is no workload ${id}`)
      return row
    },
    attempts: (id) =>
      [...tables().attempts.values()].filter(({ workload }) => workload === id).sort((a, b) => a.number - b.number),
    async toRest() {
      await runUntil('everything ends', isEmpty)
      await runFor(30_000) // what is spent is written down, and orphans are found
      assert.deepEqual(await checkers.lookAtRest(), [])
      for (const { name } of sites) assert.ok(!cloud.used(name).some(Boolean), `something is left at ${name}`)
    },
    kill: ({ plane = 'a', downMs = 1_000, ...where }) =>
      world.planes.lives.get(plane)?.ambush({ ...anyCall, ...where, blow: 'die', downMs }),
    pause: ({ plane = 'a', forMs, ...where }) =>
      world.planes.lives.get(plane)?.ambush({ ...anyCall, ...where, blow: 'pause', forMs }),
    cut(site, how) {
      away.add(`simulated/${site}`)
      cloud.cut(site, how)
    },
    restore(site) {
      away.delete(`simulated/${site}`)
      cloud.restore(site)
    },
    [Symbol.asyncDispose]: world.close,
  }
}

const anyCall = { call: '', nth: 1, edge: 'after' } as const

type More = Partial<WrittenSpec> & { runMs?: number; exitCode?: number; stopMs?: number }

function textOf(name: string, { runMs = 60_000, exitCode = 0, stopMs = 0, ...spec }: More): string {
  const env = behaviourEnv({ runMs, exitCode, stopMs })
  return JSON.stringify({ kind: 'job', name, run: 'train', env, checkpoint: { grace: '5s' }, ...spec })
}

function idOf(name: string, { workloads }: Tables): string {
  const row = [...workloads.values()].findLast((one) => one.name === name)
  assert.ok(row, `${name} was not submitted`)
  return row.id
}

/** What is asked is answered while time goes on. */
const askOf =
  (world: World): HouseStory['asked'] =>
  async (method, path, body) => {
    const answers: Awaited<ReturnType<World['ask']>>[] = []
    void world.ask(method, path, body).then((one) => answers.push(one))
    await world.clock.runUntil(() => answers.length > 0, 120_000)
    const [answer] = answers
    assert.ok(answer && answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`)
    return answer.json
  }

const storyOf = (
  { faults = {}, agents = [], seed = 1 }: Given,
  sites: SimulatedOptions['sites'],
  planes: string[],
): Story => ({
  seed,
  planes: planes.map((name) => ({ name, skewMs: 0 })),
  cloud: { sites, faults: { bootMs: [1_000, 3_000], teardownMs: [100, 1_000], ...faults } },
  troubles: [],
  agents: { sites: agents, skewMs: 0 },
  projects: [],
  steps: [],
  calmAt: 0,
})

const checkersOf = (world: World, away: ReadonlySet<string>, bounds: Partial<Bounds>): Checkers =>
  createCheckers(
    {
      tables: () => world.backing.tables(),
      events: world.backing.store.events,
      clock: world.clock,
      clouds: world.cloud.byProvider,
      calls: world.watch.taken,
      offered: world.watch.offered,
      asked: world.watch.asked,
      decisions: world.decisions.taken,
      agentsOf: world.ranks.agentsOf,
      able: (site) =>
        !(site !== undefined && away.has(site)) &&
        [...world.planes.lives.values()].some((life) => life.state() === 'alive'),
      bounds,
    },
    createInvariants(),
  )
