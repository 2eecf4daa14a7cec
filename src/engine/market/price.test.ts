import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { egressMicros } from './egress.ts'
import { egressPrices } from './egress-prices.ts'
import { comparePrices, priceOf, type Price, type Run, type Terms } from './price.ts'

const hour = 3_600_000
const terabyte = 1_000_000_000_000n
const aRun: Run = { workMs: 10 * hour, checkpointMs: hour, restartMs: hour / 2 }
/** `priceMicros`: of one node. */
const terms = ({ nodes = 2, priceMicros = 30_000_000n, ...over }: Partial<Terms> = {}): Terms => ({
  nodes,
  speedPermille: 1000,
  priceMicros: priceMicros * BigInt(nodes),
  takenPpm: 0,
  ...over,
})
const cost = (over: Partial<Terms>): bigint => priceOf(aRun, terms(over))?.costMicros ?? -1n

test('a run pays for its nodes as long as it takes on them', () => {
  assert.equal(cost({}), 600_000_000n)
  assert.equal(cost({ speedPermille: 2000, priceMicros: 50_000_000n }), 500_000_000n, 'faster and dearer is cheaper')
})

test('a commitment costs nothing until it is used up, and then its price', () => {
  assert.equal(cost({ commitment: { leftNodeMs: BigInt(20 * hour), worthMicros: 0n } }), 0n)
  assert.equal(cost({ commitment: { leftNodeMs: BigInt(15 * hour), worthMicros: 0n } }), 150_000_000n)
  assert.equal(cost({ commitment: { leftNodeMs: BigInt(20 * hour), worthMicros: 7_000_000n } }), 140_000_000n)
  assert.equal(cost({ commitment: { nodes: 1, worthMicros: 0n } }), 300_000_000n, 'one of two nodes is paid for')
  assert.equal(cost({ commitment: { nodes: 9, leftMs: 5 * hour, worthMicros: 0n } }), 300_000_000n, 'half the time')
})

test('spot costs the work that is lost and the restarts, and a gang is hit as often as any of its nodes', () => {
  // One loss an hour and node in ten, two nodes, an hour lost each time: a fifth of the time.
  assert.equal(cost({ takenPpm: 100_000 }), 750_000_000n)
  assert.deepEqual(priceOf(aRun, terms({ takenPpm: 100_000 }))?.parts, {
    nodes: 600_000_000n,
    restarts: 150_000_000n,
    commitment: 0n,
    egress: 0n,
  })
})

test('what is taken away faster than it gets on has no price', () => {
  assert.equal(priceOf(aRun, terms({ takenPpm: 500_000 })), undefined)
})

test('data that leaves pays the price of each step that it falls into', () => {
  const outside = egressPrices['gcp']?.outside[0]?.steps ?? assert.fail()
  assert.equal(egressMicros(outside, 0n, 1_024_000_000_000n), 122_880_000n)
  assert.equal(egressMicros(outside, 0n, 20n * terabyte), 122_880_000n + 9_216n * 110_000n + 9_760n * 80_000n)
  assert.equal(egressMicros(outside, 20n * terabyte, terabyte), 80_000_000n, 'what left before does not count again')
  const moved = priceOf(aRun, terms({ data: [{ bytes: terabyte, prices: outside, sentBytes: 0n }] }))
  assert.equal(moved?.parts.egress, 120_000_000n)
})

test('transfers add up to the bill, however they are cut', () => {
  const steps = fc.constantFrom(
    ...Object.values(egressPrices).flatMap(({ outside }) => outside.map((one) => one.steps)),
  )
  const bytes = fc.bigInt({ min: 0n, max: 300n * terabyte })
  fc.assert(
    fc.property(steps, bytes, bytes, (prices, one, other) => {
      const together = egressMicros(prices, 0n, one + other)
      assert.equal(egressMicros(prices, 0n, one) + egressMicros(prices, one, other), together)
    }),
  )
})

test('the parts of a price add up to it', () => {
  const micros = fc.bigInt({ min: 0n, max: 100_000_000n })
  const over = fc.record({
    nodes: fc.integer({ min: 1, max: 64 }),
    speedPermille: fc.integer({ min: 100, max: 9000 }),
    priceMicros: micros,
    takenPpm: fc.integer({ min: 0, max: 20_000 }),
    commitment: fc.record({ leftNodeMs: fc.bigInt({ min: 0n, max: BigInt(900 * hour) }), worthMicros: micros }),
  })
  fc.assert(
    fc.property(over, (some) => {
      const price = priceOf(aRun, terms(some))
      if (!price) return
      const { nodes, restarts, commitment, egress } = price.parts
      assert.equal(nodes + restarts + commitment + egress, price.costMicros)
      assert.ok(nodes >= 0n && restarts >= 0n && commitment >= 0n)
    }),
  )
})

const aPrice = (costMicros: bigint, finishMs: number): Price => ({
  costMicros,
  finishMs,
  parts: { nodes: costMicros, restarts: 0n, commitment: 0n, egress: 0n },
  usesCommitment: false,
})

test('what a workload wants decides between the cheap and the fast', () => {
  const [cheap, fast, even] = [aPrice(100n, 100), aPrice(300n, 40), aPrice(130n, 70)]
  const first = (objective: 'cost' | 'finish' | 'balance') =>
    [fast, even, cheap].sort((one, other) => comparePrices(objective, one, other))[0]
  assert.equal(first('cost'), cheap)
  assert.equal(first('finish'), fast)
  assert.equal(first('balance'), even)
})
