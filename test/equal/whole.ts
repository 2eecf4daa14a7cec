import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { createRandom } from '#kit/random.ts'
import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import { retire } from '#reconcilers/retire.ts'
import { sweep } from '#reconcilers/sweep.ts'
import { createFakeClock, type FakeClock } from '#simulator/fake-clock.ts'
import { createWorld, type World } from '#simulator/world.ts'
import type { Store } from '#store/store.ts'
import { shape } from '#simulator/house/shape.ts'
import { createDraw, type Draw } from './drawn.ts'
import { bothOf, type Pair } from './pair.ts'

const aSite = (name: string, nodes: number, priceMicros: number): SimulatedOptions['sites'][number] => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 30_000,
  pools: [{ tier: name === 'cheap' ? 'spot' : 'on-demand', shape, priceMicros, nodes }],
})

const reconcilers = [observe, admit, launch, follow, retire, meter, sweep]

export const aWorldClock = (): FakeClock => createFakeClock()

/** The loops of a house ask both stores for some minutes, while people change their minds and a site goes and comes. */
export async function liveThrough(pair: Pair<FakeClock>, seed: number, steps: number): Promise<void> {
  const draw = createDraw(createRandom(`world ${seed}`))
  const store = bothOf(pair)
  const world = createWorld({
    store,
    clock: pair.clock,
    reconcilers,
    seed,
    tickMs: draw.of([1_000, 4_000, 15_000]),
    sites: [aSite('cheap', 2 + draw.below(6), 1_000_000), aSite('dear', 2 + draw.below(6), 3_999_999)],
    faults: {
      bootMs: [1_000, 10_000],
      runMs: [5_000, 120_000],
      stopMs: [100, 3_000],
      teardownMs: [100, 5_000],
      preemptionsPerHour: draw.of([0, 60]),
      told: 0.5,
      rates: { throttled: 0.05, 'lost-reply': 0.1, 'no-capacity': 0.05 },
    },
  })
  const ids: string[] = []
  for (let step = 0; step < steps; step++) {
    if (step % 8 === 0) ids.push(...(await submit(store, world, draw)))
    if (draw.chance(0.1)) await changeMind(store, pair.clock, { id: draw.one(ids) ?? '', draw })
    if (draw.chance(0.02)) world.cloud.lose('cheap')
    if (draw.chance(0.1)) world.cloud.restore('cheap')
    await world.step()
  }
  await pair.compareRows()
}

type Mind = { id: string; draw: Draw }

async function changeMind(store: Store, { now }: FakeClock, { id, draw }: Mind): Promise<void> {
  const by = { who: 'ann', now: now() }
  const wants = draw.of(['hold', 'run', 'stop', 'run'])
  if (draw.chance(0.3)) await store.workloads.prioritise(id, draw.below(5), by)
  else await store.workloads.want(id, wants, by)
}

async function submit(store: Store, world: World, draw: Draw): Promise<string[]> {
  const written: WrittenSpec[] = Array.from({ length: 1 + draw.below(3) }, (_, i) => ({
    kind: 'job',
    name: `job-${i}`,
    run: 'train',
    nodes: 1 + draw.below(4),
    priority: draw.below(2),
    ...(draw.chance(0.2) && { budget: { limit: '$0.01' } }),
    ...(draw.chance(0.2) && { duration: { expected: '1m', maximum: '1m' } }),
    ...(draw.chance(0.2) && { resources: { cpus: 2 } }),
  }))
  const workloads = written.map((one) => {
    const spec = Spec.parse(one)
    const { name, project, kind, priority } = spec
    return { id: world.house.ids('w'), name, project, kind, spec, bundle: null, priority, submittedBy: 'ann' }
  })
  await store.workloads.submit(workloads, world.clock.now())
  return workloads.map(({ id }) => id)
}
