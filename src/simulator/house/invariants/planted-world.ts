import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import type { Provider } from '#providers/provider.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import type { Reconciler } from '#reconcilers/reconciler.ts'
import { retire } from '#reconcilers/retire.ts'
import { sweep } from '#reconcilers/sweep.ts'
import type { FakeClock } from '#simulator/fake-clock.ts'
import { createWorld, type World } from '#simulator/world.ts'
import type { Facts, Store } from '#store/store.ts'
import { shape } from '#simulator/house/shape.ts'
import { createInvariants } from './all.ts'
import { createDecisions } from './decisions.ts'
import type { Bounds, Breach } from './invariant.ts'
import { createCheckers, type Sources } from './invariants.ts'
import type { Tables } from './tables.ts'
import { createWatch } from './watch.ts'

/** A fault put on purpose into a part of the house, and the invariant that has to see it. */
export type Planted = {
  /** What goes wrong. */
  fault: string
  /** The name of the invariant that it breaks; others may see it as well. */
  breaks: string
  /** The store as control planes have it. */
  store?(store: Store): Store
  /** The store as its readers of events have it. */
  events?(events: Store['events']): Store['events']
  /** The store as one who follows events with a cursor has it. */
  follows?(events: Store['events']): Store['events']
  /** The adapter as control planes have it; the calls that it makes are watched. */
  provider?(provider: Provider): Provider
  /** What is in the tables, where no part of the house could do it and no constraint would let it. */
  tables?(): (tables: Tables) => Tables
  loops?(loops: readonly Reconciler[]): readonly Reconciler[]
  /** What else is so, for the fault to have an effect. */
  story?: Story
}

/** A store in which what is to be concluded is read otherwise than it is. */
export const readingDue =
  (misread: (facts: Facts, now: number) => Facts): NonNullable<Planted['store']> =>
  (store) => ({
    ...store,
    follow: {
      ...store.follow,
      due: async (options) => (await store.follow.due(options)).map((facts) => misread(facts, options.now)),
    },
  })

export type Story = {
  workloads?: WrittenSpec[]
  sites?: SimulatedOptions['sites']
  faults?: SimulatedOptions['faults']
  /** What is so before anything is submitted. */
  first?(store: Store): Promise<unknown>
  /** What happens after each step. */
  afterStep?(world: World, step: number): Promise<void> | void
  steps?: number
  /** What agents do, where there are any. */
  agentsOf?: Sources['agentsOf']
  bounds?: Partial<Bounds>
}

/** A store with nothing in it, and its rows. */
export type Opened = { store: Store; tables(): Tables | Promise<Tables>; clock: FakeClock }

export const aPlantedSite = (name: string, nodes = 4): SimulatedOptions['sites'][number] => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 20_000,
  pools: [{ tier: 'on-demand', shape, priceMicros: 1_234_567, nodes }],
})

const usual = {
  workloads: [1, 2, 3].map((nodes): WrittenSpec => ({ kind: 'job', name: `job-${nodes}`, run: 'train', nodes })),
  sites: [aPlantedSite('west'), aPlantedSite('east')],
  faults: { bootMs: [1_000, 3_000], runMs: [15_000, 30_000], stopMs: [0, 500] },
  steps: 120,
} satisfies Story

/** Short, so that what is only promised in the end is not waited for in vain. */
const bounds: Partial<Bounds> = {
  leakMs: 40_000,
  lossMs: 40_000,
  tellMs: 10_000,
  endMs: 40_000,
  budgetMs: 20_000,
  noticeMs: 30_000,
  toldMs: 20_000,
  billMs: 30_000,
  skewMs: 0,
}

const loops = [observe, admit, launch, follow, retire, meter, sweep]
const nothing: Planted = { fault: 'none', breaks: '' }

/**
 * Lives through the story with the fault in it, until the invariant sees it or to the end, and to rest. All breaches that
 * were there then; without a fault (`null`) there should be none.
 */
export async function liveThrough(
  given: Planted,
  { store, tables, clock }: Opened,
  { isPlanted = true } = {},
): Promise<Breach[]> {
  const story = { ...usual, ...given.story }
  const planted: Planted = isPlanted ? given : nothing
  const show = planted.tables?.()
  const shown = async () => show?.(await tables()) ?? (await tables())
  const watch = createWatch({ clock, tables })
  const decisions = createDecisions(tables)
  const noted = decisions.of(store)
  const world = createWorld({
    store: planted.store?.(noted) ?? noted,
    clock,
    reconcilers: planted.loops?.(loops) ?? loops,
    seed: 1,
    sites: story.sites,
    faults: story.faults,
  })
  const { providers } = world.house
  for (const [name, adapter] of providers) {
    const watched = watch.of(adapter, 'world')
    providers.set(name, planted.provider?.(watched) ?? watched)
  }
  const away = new Set<string>()
  const cut: World['cloud']['cut'] = (site, how) => {
    away.add(`simulated/${site}`)
    world.cloud.cut(site, how)
  }
  const follower = followerOf(planted.follows?.(store.events) ?? store.events)
  const checkers = createCheckers(
    {
      tables: shown,
      events: planted.events?.(store.events) ?? store.events,
      clock,
      clouds: new Map([['simulated', world.cloud]]),
      calls: watch.taken,
      offered: watch.offered,
      asked: watch.asked,
      decisions: decisions.taken,
      able: (site) => site === undefined || !away.has(site),
      readers: [follower],
      ...(story.agentsOf && { agentsOf: story.agentsOf }),
      bounds: { ...bounds, ...story.bounds },
    },
    createInvariants(),
  )
  await story.first?.(store)
  await submit(story.workloads, store, world)
  const breaches: Breach[] = []
  for (let step = 1; step <= story.steps; step++) {
    await world.step()
    await story.afterStep?.({ ...world, cloud: { ...world.cloud, cut } }, step)
    await follower.goOn()
    breaches.push(...(await checkers.look()))
    if (breaches.some(({ invariant }) => invariant === given.breaks)) return breaches
  }
  return [...breaches, ...(await checkers.lookAtRest())]
}

/** Somebody who follows the events with a cursor. */
function followerOf(events: Pick<Store['events'], 'since'>) {
  const told: string[] = []
  const goOn = async (): Promise<void> => {
    const some = await events.since(told.at(-1) ?? null, { most: 100 })
    told.push(...some.map(({ cursor }) => cursor))
  }
  return { who: 'somebody', project: null, told, goOn }
}

async function submit(written: WrittenSpec[], store: Store, { house }: World): Promise<void> {
  const workloads = written.map((one) => {
    const spec = Spec.parse(one)
    const { name, project, kind, priority } = spec
    return { id: house.ids('w'), name, project, kind, spec, bundle: null, priority, submittedBy: 'tester' }
  })
  await store.workloads.submit(workloads, house.clock.now())
}
