import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import { check } from '#engine/placement/check.ts'
import { demandOf, gangsPlaced } from '#engine/placement/demand.ts'
import { place } from '#engine/placement/place.ts'
import { aStore } from '#rigs/postgres.ts'
import { submitted } from '#rigs/story.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import type { Store } from '#store/store.ts'
import { aJob, aLease, aNode, anOffer, aNow, aProject, aSite, aSnapshot } from '#test/builders.ts'

import { keepPlan, type PlanKeeper } from './keep-plan.ts'
import { planMarket } from './plan-market.ts'
import { createSolver } from './solver.ts'

const wholeNodes = { gpu: 'H100', gpus: 8, divisible: false } as const
const gpus = { resources: { accelerators: 'H100:8' } }

async function declare(store: Store, name: string, offer: Parameters<typeof anOffer>[0]): Promise<void> {
  await store.sites.put(aSite({ name }).info, aNow)
  await store.sites.offered(`local/${name}`, [anOffer({ ...wholeNodes, ...offer, site: name })], null, aNow)
}

/** A keeper on a real store and solver whose time moves by hand. */
function keeping(store: Store, solver = createSolver()) {
  const clock = createFakeClock(aNow)
  const errors: string[] = []
  const keeper = keepPlan({ store, clock, solver, failed: (error) => void errors.push(String(error)) })
  const until = async (condition: () => boolean): Promise<void> => {
    const deadline = performance.now() + 60_000
    while (!condition()) {
      assert.ok(performance.now() < deadline, 'waited too long for a plan')
      await clock.advance(1_000)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return { clock, errors, keeper, until }
}

const sitesOf = async (store: Store, keeper: PlanKeeper, now: number) => {
  const snapshot = await store.placement.snapshot({ now, most: 100 })
  const plan = keeper.plan()
  const input = { snapshot, now, ...(plan && { plan }) }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  // Without a plan this only looks: what the store has as waiting may be in the plan that is being made.
  if (plan) keeper.placed(gangsPlaced(decisions, snapshot.waiting, now))
  const names = new Map(snapshot.waiting.map(({ workload }) => [workload.id, workload.name]))
  return Object.fromEntries(
    decisions.map(({ workload, placement }) => [names.get(workload) ?? '', placement?.site ?? 'nowhere']),
  )
}

test('with several sites a plan is made of the queue, and leaves what is scarce to who has no other place', async () => {
  await using store = await aStore()
  await declare(store, 'cheap', { price: 10, available: 1 })
  await submitted(store, [aJob({ name: 'any', ...gpus })])
  await submitted(store, [aJob({ name: 'bound', ...gpus, placement: { sites: ['local/cheap'] } })], aNow + 1)
  const { clock, errors, keeper, until } = keeping(store)
  await clock.advance(60_000)
  assert.equal(keeper.plan(), undefined, 'one site alone needs no plan')
  await declare(store, 'dear', { price: 12, available: 4 })
  assert.deepEqual(await sitesOf(store, keeper, clock.now()), { any: 'cheap', bound: 'nowhere' })
  await until(() => keeper.plan() !== undefined)
  const [planned] = [...(keeper.plan()?.nodeMicros.values() ?? [])]
  assert.ok((planned ?? 0) > 1_999_000, `what one more of the cheap would save: ${planned}`)
  assert.deepEqual(await sitesOf(store, keeper, clock.now()), { any: 'dear', bound: 'cheap' })
  assert.deepEqual(errors, [])
  const left = [...(keeper.plan()?.gangs.values() ?? [])].flatMap((gangs) => [...gangs.values()])
  assert.ok(
    left.every((count) => Math.abs(count) < 0.01),
    'what was placed is no longer planned',
  )
  await keeper.stop()
})

const noAnswer = async () => ({ problem: 'no answer within 25 s' })

test('a plan that cannot be made is told of, and the last one is kept', async () => {
  await using store = await aStore()
  await declare(store, 'one', { available: 1 })
  await declare(store, 'two', { available: 1 })
  await submitted(store, [aJob(gpus)])
  const { keeper, errors, until } = keeping(store, { ...createSolver(), solve: noAnswer })
  await until(() => errors.length > 0)
  assert.match(errors[0] ?? '', /no plan over sites: no answer within 25 s/)
  assert.equal(keeper.plan(), undefined)
  await keeper.stop()
})

const solver = createSolver()
after(() => solver.close())

test('the market has what is free, what is paid for apart, and what quotas and shares leave', () => {
  const named = aSite({
    name: 'named',
    nodes: [
      aNode({ name: 'n0', gpus: 8, gpu: 'H100' }),
      aNode({ name: 'n1', gpus: 8, gpu: 'H100' }),
      aNode({ name: 'n2', gpus: 8, gpu: 'H100', usable: false }),
    ],
  })
  const shape = named.offers[0]?.shape.name ?? ''
  const paid = aSite({
    name: 'paid',
    offers: [{ ...wholeNodes, tier: 'committed', available: 5, commitment: { nodes: 3 }, price: 30 }],
  })
  const gone = aSite({ name: 'gone', reach: 'unreachable', offers: [{ ...wholeNodes, available: 9 }] })
  const leases = [
    aLease({
      site: 'named',
      shape,
      ranks: [{ rank: 0, node: 'n0', cpuMilli: 0, memoryMiB: 0, diskMiB: 0, accelerators: 4 }],
    }),
    aLease({ id: 'l-1', site: 'paid', tier: 'committed', shape: paid.offers[0]?.shape.name ?? '' }),
  ]
  const projects = [aProject({ quota: { accelerators: 64 }, policy: { maxProviderShare: 0.5 } })]
  const waiting = [aJob({ name: 'all', nodes: 2, ...gpus })]
  const demand = demandOf({ snapshot: aSnapshot({ sites: [named, paid, gone], leases, projects, waiting }), now: aNow })
  const pools = demand.market.pools.map(({ nodes }, at) => [
    demand.pools[at]?.candidate.split(' ')[0],
    nodes,
    demand.pools[at]?.isPaid,
  ])
  assert.deepEqual(pools, [
    ['local/gone', 0, false],
    ['local/named', 1.5, false],
    ['local/paid', 2, true],
    ['local/paid', 2, false],
  ])
  assert.deepEqual(demand.market.projects, [{ name: 'default', accelerators: 60, providers: { local: 0 } }])
})

test('a plan for what waits keeps to what there is, and prefers what is paid for', async () => {
  const sites = [
    aSite({
      name: 'paid',
      offers: [{ ...wholeNodes, available: 2, price: 30, commitment: { nodes: 2 }, tier: 'committed' }],
    }),
    aSite({ name: 'spot', offers: [{ ...wholeNodes, available: 2, price: 8, tier: 'spot' }] }),
    aSite({ name: 'more', offers: [{ ...wholeNodes, available: 9, price: 20 }] }),
  ]
  const waiting = Array.from({ length: 6 }, (_, at) => aJob({ name: `job-${at}`, ...gpus }))
  const demand = demandOf({ snapshot: aSnapshot({ sites, waiting }), now: aNow })
  const plan = await planMarket(demand.market, solver, 10)
  if ('problem' in plan) assert.fail(plan.problem)
  assert.equal(plan.costMicros, 2 * 8_000_000 + 2 * 20_000_000)
  assert.deepEqual(plan.unmet, [0])
})

test('where nothing comes or goes no plan is made, and one that is a minute older soon after somebody came', async () => {
  await using store = await aStore()
  await declare(store, 'one', { available: 1 })
  await declare(store, 'two', { available: 1 })
  const heard = new Promise<void>((resolve) => store.onNudge((nudge) => nudge === 'come' && resolve()))
  await submitted(store, [aJob({ ...gpus, nodes: 9 })])
  await heard // and so what was told before it
  const { clock, keeper, until } = keeping(store)
  await until(() => keeper.plan() !== undefined)
  const before = keeper.plan()?.asOf
  await clock.advance(200_000)
  assert.equal(keeper.plan()?.asOf, before)
  await submitted(store, [aJob({ name: 'more', ...gpus })], clock.now())
  await until(() => keeper.plan()?.asOf !== before)
  await keeper.stop()
})
