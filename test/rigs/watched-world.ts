import assert from 'node:assert/strict'

import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import type { WorkloadState } from '#model/workload.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import type { SimulatedCloud } from '#providers/simulated/simulated.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import { retire } from '#reconcilers/retire.ts'
import { sweep } from '#reconcilers/sweep.ts'
import { createFakeClock, type FakeClock } from '#simulator/fake-clock.ts'
import { createDecisions } from '#simulator/house/invariants/decisions.ts'
import { createInvariants } from '#simulator/house/invariants/all.ts'
import { type Checkers, createCheckers, type Sources } from '#simulator/house/invariants/invariants.ts'
import { readTables } from '#simulator/house/invariants/postgres-tables.ts'
import { createWatch } from '#simulator/house/invariants/watch.ts'
import { createSeenTables } from '#simulator/house/memory/seen-tables.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import { createWorld, type World } from '#simulator/world.ts'
import { openDatabase } from '#store/database.ts'
import type { Store } from '#store/store.ts'
import { aStore } from './postgres.ts'

/** A world in which all invariants are looked at after every step. */
export type WatchedWorld = World &
  AsyncDisposable & {
    store: Store
    checkers: Checkers
    stateOf(id: string): Promise<WorkloadState | undefined>
    /** Submits one workload and returns its id. */
    submit(written: WrittenSpec): Promise<string>
  }

export const aShape = {
  name: 'sim-4',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 4_000,
  memoryMiB: 16_384,
  diskMiB: 102_400,
}

export const aSite = (name: string, nodes: number, priceMicros = 1_000_000): SimulatedOptions['sites'][number] => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 30_000,
  pools: [{ tier: 'on-demand', shape: aShape, priceMicros, nodes }],
})

type Given = Omit<SimulatedOptions, 'seed'> & {
  seed?: number
  tickMs?: number
  /** Invariants are looked at after every so many steps. */
  looksEvery?: number
  /** The store is in this process, and not PostgreSQL. */
  inMemory?: boolean
} & Partial<Pick<Sources, 'bounds'>>

export async function aWatchedWorld({
  seed = 1,
  tickMs = 1_000,
  looksEvery = 1,
  bounds = {},
  inMemory = true,
  ...simulated
}: Given): Promise<WatchedWorld> {
  const clock = createFakeClock()
  const { store, tables, close } = await (inMemory ? storeInMemory(clock) : storeOnPostgres(clock))
  const reconcilers = [observe, admit, launch, follow, retire, meter, sweep]
  const decisions = createDecisions(tables)
  const world = createWorld({ store: decisions.of(store), clock, reconcilers, seed, tickMs, ...simulated })
  const { providers } = world.house
  const watch = createWatch({ clock, tables })
  for (const [name, provider] of providers) providers.set(name, watch.of(provider, 'world'))
  const { cloud, away } = noting(world.cloud)
  const checkers = createCheckers(
    {
      tables,
      events: store.events,
      clock,
      clouds: new Map([['simulated', cloud]]),
      ...watch,
      calls: watch.taken,
      decisions: decisions.taken,
      able: (site) => site === undefined || !away.has(site),
      bounds,
    },
    createInvariants(),
  )
  let steps = 0
  const step = async () => {
    await world.step()
    if (++steps % looksEvery > 0) return
    assert.deepEqual(await checkers.look(), [])
  }
  return {
    ...world,
    cloud,
    store,
    checkers,
    step,
    async runFor(milliseconds) {
      const end = clock.now() + milliseconds
      while (clock.now() < end) await step()
    },
    async runUntil(condition, mostMs) {
      const end = clock.now() + mostMs
      while (!(await condition())) {
        if (clock.now() >= end) return false
        await step()
      }
      return true
    },
    submit: submitTo(world, store),
    stateOf: async (id) => (await store.workloads.get(id))?.state,
    [Symbol.asyncDispose]: close,
  }
}

type Opened = { store: Store; tables: Sources['tables']; close(): Promise<void> }

async function storeOnPostgres(clock: FakeClock): Promise<Opened> {
  const store = await aStore({ clock })
  const database = await openDatabase({ url: store.url, size: 1 })
  return {
    store,
    tables: () => readTables(database),
    async close() {
      await database.close()
      await store.close()
    },
  }
}

function storeInMemory(clock: FakeClock): Opened {
  const store = createMemoryStore({ clock })
  return { store, tables: createSeenTables(store.tables), close: store.close }
}

const submitTo = (world: World, store: Store) => async (written: WrittenSpec) => {
  const spec = Spec.parse(written)
  const { name, project, kind, priority } = spec
  const id = world.house.ids('w')
  const workload = { id, name, project, kind, spec, bundle: null, priority, submittedBy: 'tester' }
  await store.workloads.submit([workload], world.clock.now())
  return id
}

/** The same cloud, and which of its sites do not answer. */
function noting(cloud: SimulatedCloud): { cloud: SimulatedCloud; away: ReadonlySet<string> } {
  const away = new Set<string>()
  const leaves = (site: string) => void away.add(`simulated/${site}`)
  return {
    away,
    cloud: {
      ...cloud,
      cut: (site, how) => (leaves(site), cloud.cut(site, how)),
      lose: (site) => (leaves(site), cloud.lose(site)),
      restore: (site) => (away.delete(`simulated/${site}`), cloud.restore(site)),
    },
  }
}
