import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { omniscientCost } from './optimum.ts'
import { runToDeadline, type DeadlineJob } from './run.ts'

const prices = { spotPrice: 1, onDemandPrice: 3 }

/** A market of up to three zones, and a job that on-demand capacity can finish in time. */
const jobs = (most: { work: number; slack: number }) =>
  fc
    .record({
      work: fc.integer({ min: 1, max: most.work }),
      slack: fc.integer({ min: 0, max: most.slack }),
      overhead: fc.integer({ min: 0, max: 3 }),
      start: fc.integer({ min: 0, max: 20 }),
      zones: fc.integer({ min: 1, max: 3 }),
      steady: fc.constantFrom(0.5, 0.9, 0.98),
      ticks: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 3, maxLength: 90 }),
    })
    .map(({ zones, ticks, steady, slack, ...job }): DeadlineJob => {
      const left = job.work + job.overhead + slack
      const market = Array.from({ length: zones }, (_, zone) => {
        let up = zone === 0
        return Uint8Array.from({ length: job.start + left }, (_tick, at) => {
          if ((ticks[(at * zones + zone) % ticks.length] ?? 0) > steady) up = !up
          return up ? 1 : 0
        })
      })
      return { ...job, ...prices, left, market }
    })

test('every deadline is kept, whatever the market does', () => {
  fc.assert(
    fc.property(jobs({ work: 40, slack: 30 }), (job) => {
      assert.ok(runToDeadline(job).met)
      assert.ok(runToDeadline({ ...job, isBlind: true, leave: 2, tickMs: 600_000 }).met, 'as in a live control plane')
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('nobody is cheaper than one who knows the market in advance', () => {
  fc.assert(
    fc.property(jobs({ work: 40, slack: 30 }), (job) => {
      const best = omniscientCost(job)
      assert.ok(best <= runToDeadline(job).cost)
      assert.ok(best <= (job.work + job.overhead) * job.onDemandPrice)
    }),
    { seed: 2, numRuns: 300 },
  )
})

type Moment = { at: number; work: number; place: number; starting: number }

/** Every way to go, one after the other. */
function cheapest(job: DeadlineJob, { at, work, place, starting }: Moment): number {
  if (work === 0) return 0
  if (at === job.left) return Infinity
  let best = cheapest(job, { at: at + 1, work, place: -1, starting: 0 })
  for (let next = 0; next <= job.market.length; next++) {
    const onDemand = next === job.market.length
    if (!onDemand && job.market[next]?.[job.start + at] !== 1) continue
    const wait = next === place ? starting : job.overhead
    const price = onDemand ? job.onDemandPrice : job.spotPrice
    const worked = wait > 0 ? { work, starting: wait - 1 } : { work: work - 1, starting: 0 }
    best = Math.min(best, price + cheapest(job, { at: at + 1, place: next, ...worked }))
  }
  return best
}

test('the optimum is the best of all ways there are', () => {
  fc.assert(
    fc.property(jobs({ work: 3, slack: 2 }), (job) => {
      assert.equal(omniscientCost(job), cheapest(job, { at: 0, work: job.work, place: -1, starting: 0 }))
    }),
    { seed: 3, numRuns: 200 },
  )
})

test('where spot capacity has been there all the time, nothing else is used', () => {
  const job = { ...prices, work: 50, left: 60, overhead: 2, start: 300, market: [new Uint8Array(360).fill(1)] }
  assert.deepEqual(runToDeadline(job), { cost: 52, met: true, spotTicks: 52, onDemandTicks: 0, starts: 1 })
})
