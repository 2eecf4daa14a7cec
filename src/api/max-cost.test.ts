import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Decision } from '#model/plan.ts'
import { wantedReplicas, type Workload } from '#model/workload.ts'
import { aJob, aService } from '#test/builders.ts'
import { refuseHopeless, withinCost } from './max-cost.ts'
import { Problem } from './problem.ts'

const dollar = 1_000_000

const decided = (workload: string, nodePriceMicros: number | null, nodes = 1): Decision => ({
  workload,
  replica: 0,
  placement:
    nodePriceMicros === null ? null : { ...somewhere, ranks: ranksOf(nodes), priceMicros: nodePriceMicros * nodes },
  alternatives: [],
  rejections: [],
  refusal: null,
})
const somewhere = { provider: 'local', site: 'west', tier: 'on-demand', shape: '1cpu' }
const ranksOf = (nodes: number) =>
  Array.from({ length: nodes }, (_, rank) => ({ rank, cpuMilli: 1000, memoryMiB: 0, diskMiB: 0, accelerators: 0 }))

const named = <T extends Workload>(workload: T, id: string): T => ({ ...workload, id, name: id })
const bounds = (workloads: Workload[]) => workloads.map(({ spec }) => spec.placement.maxPriceMicros)

test('what only waits may cost what is allowed, spread over its nodes and its time', () => {
  const hourly = named(aJob({ nodes: 4 }), 'w-1')
  assert.deepEqual(bounds(withinCost([hourly], [decided('w-1', null)], 10 * dollar)), [2.5 * dollar])
  const half = named(aJob({ nodes: 4, duration: { expected: '30m' } }), 'w-1')
  assert.deepEqual(bounds(withinCost([half], [decided('w-1', null)], 10 * dollar)), [5 * dollar])
})

test('a lower bound of the spec stays', () => {
  const job = named(aJob({ placement: { maxPrice: '$1/h' } }), 'w-1')
  assert.deepEqual(bounds(withinCost([job], [decided('w-1', null)], 10 * dollar)), [dollar])
})

test('what a place costs counts for all replicas, and more than is allowed is refused with the amount that would do', () => {
  const service = named(aService({ replicas: 3 }), 'w-1')
  const decisions = [decided('w-1', 2 * dollar)]
  assert.deepEqual(bounds(withinCost([service], decisions, 6 * dollar)), [2 * dollar])
  assert.throws(
    () => withinCost([service], decisions, 6 * dollar - 1),
    (error: unknown) =>
      error instanceof Problem &&
      error.code === 'over-budget' &&
      /\$6\.00/.test(error.message) &&
      error.extra.next?.[0]?.endsWith('--max-cost 6') === true,
  )
})

test('however a plan is made up, at its bounds it costs no more than is allowed, and no less for what is placed', () => {
  const part = fc.record({
    nodes: fc.integer({ min: 1, max: 50 }),
    price: fc.option(fc.integer({ min: 0, max: 100 * dollar })),
    replicas: fc.integer({ min: 1, max: 5 }),
  })
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.nat(2 ** 40), (parts, more) => {
      const workloads = parts.map(({ nodes, replicas }, i) => named(aService({ nodes, replicas }), `w-${i}`))
      const decisions = parts.map(({ nodes, price }, i) => decided(`w-${i}`, price, nodes))
      const planned = parts.reduce((sum, { nodes, replicas, price }) => sum + nodes * replicas * (price ?? 0), 0)
      const bound = bounds(withinCost(workloads, decisions, planned + more))
      const most = workloads.reduce((sum, { spec }, i) => sum + spec.nodes * wantedReplicas(spec) * (bound[i] ?? 0), 0)
      assert.ok(most <= planned + more)
      parts.forEach(({ price }, i) => assert.ok((bound[i] ?? 0) >= (price ?? 0)))
    }),
  )
})

test('only what its bound keeps from a place for ever is refused', () => {
  const job = named(aJob(), 'w-1')
  const dear = { ...decided('w-1', null), refusal: { cause: 'price', impossible: true, text: 'Too dear.', next: [] } }
  assert.throws(() => refuseHopeless([job], [decided('w-1', null)], [dear]), /too little\. Too dear\./)
  refuseHopeless([job], [dear], [dear])
  refuseHopeless([job], [decided('w-1', null)], [{ ...dear, refusal: { ...dear.refusal, impossible: false } }])
})
