import assert from 'node:assert/strict'
import { after, test } from 'node:test'

import * as fc from 'fast-check'

import { aggregate, readPlan, type Choice, type Market, type MarketPlan } from '#engine/market/aggregate.ts'
import { buildLinear } from '#engine/market/linear.ts'
import { afterPlacing, openSteering, planPatienceMs, steeringOf } from '#engine/market/steer.ts'
import { planMarket } from '#server/market/plan-market.ts'
import { createSolver } from '#server/market/solver.ts'

import { broken, costOf, fill } from './fill.ts'
import { randomInstance } from './instance.ts'

const solver = createSolver()
after(() => solver.close())

async function planOf(market: Market): Promise<MarketPlan> {
  const asked = aggregate(market)
  const reply = await solver.solve(asked.program, 10)
  return 'answer' in reply ? readPlan(market, asked, reply.answer) : assert.fail(reply.problem)
}

const choice = (pool: number, costMicros: number, barredBy?: string): Choice => ({
  pool,
  nodes: 1,
  accelerators: 8,
  costMicros,
  ...(barredBy === undefined ? {} : { barredBy }),
})

/** Two pools of two nodes; `a` may go to both, `b` only to the cheap one. */
const aMarket = (over: Partial<Market> = {}): Market => ({
  pools: [
    { cell: 'x/1', provider: 'x', tier: 'spot', nodes: 2 },
    { cell: 'y/1', provider: 'y', tier: 'on-demand', nodes: 2 },
  ],
  cells: {},
  projects: [{ name: 'team', providers: {} }],
  classes: [
    { name: 'a', project: 0, gangs: 2, unmetMicros: 9_000_000, choices: [choice(0, 1_000_000), choice(1, 3_000_000)] },
    {
      name: 'b',
      project: 0,
      gangs: 2,
      unmetMicros: 9_000_000,
      choices: [choice(0, 1_000_000), choice(1, 2_000_000, 'jurisdictions')],
    },
  ],
  ...over,
})

const near = (found: number | undefined, expected: number) =>
  assert.ok(Math.abs((found ?? NaN) - expected) <= 1e-3 * expected + 10, `${found} is not ${expected}`)

test('who has no other place gets the cheap one, though the other came first', async () => {
  const market = aMarket()
  const plan = await planOf(market)
  near(plan.costMicros, 8_000_000)
  near(plan.gangs[0]?.[1], 2)
  const arrivals = [0, 0, 1, 1]
  const steered = fill(market, arrivals, plan)
  assert.equal(costOf(market, steered), 8_000_000)
  const unsteered = fill(market, arrivals)
  assert.equal(costOf(market, unsteered), 20_000_000, 'two of them wait')
})

test('a plan steers until it is too old, and counts down what was placed', async () => {
  const market = aMarket()
  const pools = market.pools.map((_, pool) => ({ candidate: `pool-${pool}`, isPaid: pool === 0 }))
  const plan = steeringOf({ market, classes: ['a', 'b'], pools }, await planOf(market), 0)
  const order = (now: number, by = plan) => openSteering(by, now).order('a', ['pool-0', 'pool-1'], (one) => one)
  assert.deepEqual(order(planPatienceMs), ['pool-1', 'pool-0'])
  assert.deepEqual(order(planPatienceMs + 1), ['pool-0', 'pool-1'])
  const gang = { key: 'a', candidate: 'pool-1' }
  assert.deepEqual(order(0, afterPlacing(plan, [gang, gang])), ['pool-0', 'pool-1'])
  const steering = openSteering(plan, 0)
  const scarce = steering.scarcityMicros('pool-0', true)
  assert.ok(scarce > 1_999_000 && scarce < 8_001_000, `one more saves 2 dollars, and one less costs 8: ${scarce}`)
  assert.equal(steering.scarcityMicros('pool-0', false) + steering.scarcityMicros('pool-1', false), 0)
  steering.took('a', 'pool-1')
  steering.took('a', 'pool-1')
  assert.deepEqual(
    steering.order('a', ['pool-0', 'pool-1'], (one) => one),
    ['pool-0', 'pool-1'],
  )
})

test('it says what a rule costs', async () => {
  const team = { name: 'team', providers: {} }
  const costs = async (projects: Market['projects']): Promise<Map<string, number>> =>
    new Map(
      (await planOf(aMarket({ projects }))).rules.map(({ rule, of, microsEach }) => [`${rule}: ${of}`, microsEach]),
    )
  near((await costs([{ ...team, accelerators: 24 }])).get('quota: team'), 750_000) // waits for 9 instead of paying 3
  near((await costs([{ ...team, providers: { y: 1 } }])).get('provider-share: team at y'), 6_000_000)
  const { rules } = await planOf(aMarket())
  assert.deepEqual(
    rules.map(({ rule, of }) => [rule, of]),
    [['jurisdictions', 'b']],
  )
})

test('a program without an answer is a problem in words, and the next one is solved', async () => {
  const { program, row, column } = buildLinear()
  column(1, [{ row: row(1, 0), value: 1 }])
  const reply = await solver.solve(program, 10)
  assert.match('problem' in reply ? reply.problem : '', /status/)
  near((await planOf(aMarket())).costMicros, 8_000_000)
})

const someChoice = fc.record({
  pool: fc.integer({ min: 0, max: 2 }),
  nodes: fc.integer({ min: 1, max: 3 }),
  accelerators: fc.integer({ min: 1, max: 8 }),
  costMicros: fc.integer({ min: 0, max: 50 }).map((dollars) => dollars * 1_000_000),
  barredBy: fc.option(fc.constant('jurisdictions'), { nil: undefined, freq: 4 }),
})
const someMarket = fc.record({
  pools: fc.tuple(
    ...[0, 1, 2].map((pool) =>
      fc.record({
        cell: fc.constantFrom('one', 'two'),
        provider: fc.constant(`p${pool % 2}`),
        tier: fc.constant('spot' as const),
        nodes: fc.integer({ min: 0, max: 4 }),
      }),
    ),
  ),
  cells: fc.record({ one: fc.integer({ min: 0, max: 6 }) }, { requiredKeys: [] }),
  projects: fc.tuple(
    fc.record({ name: fc.constant('a'), accelerators: fc.integer({ min: 0, max: 24 }), providers: fc.constant({}) }),
    fc.record({ name: fc.constant('b'), providers: fc.record({ p0: fc.integer({ min: 0, max: 4 }) }) }),
  ),
  classes: fc.array(
    fc.record({
      name: fc.constant('class'),
      project: fc.integer({ min: 0, max: 1 }),
      gangs: fc.integer({ min: 1, max: 2 }),
      unmetMicros: fc.constant(100_000_000),
      choices: fc.array(someChoice, { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
})

const gangsOf = ({ classes }: Market): number[] =>
  classes.flatMap(({ gangs }, index) => Array.from({ length: gangs }, () => index))

test('a plan in whole gangs keeps every rule, is as cheap as the best one, and that no cheaper than the bound', async () => {
  await fc.assert(
    fc.asyncProperty(someMarket, async (market: Market) => {
      const plan = await planMarket(market, solver, 10)
      if ('problem' in plan) assert.fail(plan.problem)
      const slack = 1e-5 * plan.boundMicros + 1000
      const best = cheapest(market, gangsOf(market))
      assert.ok(plan.boundMicros <= best + slack, `bound ${plan.boundMicros}, best ${best}`)
      assert.ok(plan.whole && best <= plan.costMicros && plan.costMicros <= 1.001 * best + slack)
      assert.ok(plan.wholeBoundMicros <= best + slack && plan.boundMicros <= plan.wholeBoundMicros + slack)
      const placed = fill(market, gangsOf(market), plan)
      assert.deepEqual(broken(market, placed), [])
      // Where some must wait, who comes first does not.
      if (plan.unmet.every((gangs) => gangs === 0)) assert.equal(costOf(market, placed), plan.costMicros)
    }),
    { numRuns: 100 },
  )
})

test('steering by fractions, or by a plan for other demand, breaks no rule either', async () => {
  await fc.assert(
    fc.asyncProperty(someMarket, fc.array(fc.integer({ min: 0, max: 2 })), async (market: Market, come) => {
      const plan = await planOf(market)
      const arrivals = come.filter((index) => index < market.classes.length)
      assert.deepEqual(broken(market, fill(market, arrivals, plan)), [])
    }),
    { numRuns: 50 },
  )
})

test('without time for whole gangs a plan has fractions, and steers by them', async () => {
  const { market, arrivals } = randomInstance({ seed: 'cost-1', load: 0.75, siteNodes: 64 })
  const hurried = { ...solver, solveWhole: async () => ({ problem: 'no time' }) }
  const plan = await planMarket(market, hurried, 30)
  if ('problem' in plan) assert.fail(plan.problem)
  assert.equal(plan.whole, false)
  const placed = fill(market, arrivals, plan)
  assert.deepEqual(broken(market, placed), [])
  assert.ok(costOf(market, placed) < costOf(market, fill(market, arrivals)))
})

test('a random market is placed whole within a few percent of the bound, and the same by the same seed', async () => {
  const instance = randomInstance({ seed: 'cost-1', load: 0.75, siteNodes: 64 })
  assert.deepEqual(randomInstance({ seed: 'cost-1', load: 0.75, siteNodes: 64 }), instance)
  const { market, arrivals } = instance
  const plan = await planMarket(market, solver, 30)
  if ('problem' in plan) assert.fail(plan.problem)
  const placed = fill(market, arrivals, plan)
  assert.deepEqual(broken(market, placed), [])
  assert.ok(costOf(market, placed) < 1.002 * plan.wholeBoundMicros)
  assert.ok(costOf(market, fill(market, arrivals)) > 1.2 * plan.boundMicros)
})

test('a solver that is closed while it is asked answers with a problem', async () => {
  const other = createSolver()
  const asked = other.solve(aggregate(aMarket()).program, 10)
  await other.close()
  assert.deepEqual(Object.keys(await asked), ['problem'])
})

/** By trying everything. */
function cheapest(
  market: Market,
  arrivals: readonly number[],
  placed: { index: number; choice: number }[] = [],
): number {
  const index = arrivals[placed.length]
  if (index === undefined) return broken(market, placed).length > 0 ? Infinity : costOf(market, placed)
  const ways = [-1, ...(market.classes[index]?.choices.keys() ?? [])]
  return Math.min(...ways.map((way) => cheapest(market, arrivals, [...placed, { index, choice: way }])))
}
