import assert from 'node:assert/strict'
import { test } from 'node:test'

import { planSpot, type SpotRates, type SpotState, type SpotTerms } from './spot-plan.ts'

/** A market of one grade that is up or down, and loses what it has with the chance `taken` in each tick. */
const rates = (taken: number): SpotRates => ({
  market: [
    [0.5, 0.5],
    [taken, 1 - taken],
  ],
  idle: 1,
  held: [[1 - taken]],
  afterTaken: [0.5, 0.5],
})
const terms = { work: 20, left: 40, overhead: 3, spotPrice: 1, onDemandPrice: 3 }
const next = (taken: number, state: Partial<SpotState>, more: Partial<SpotTerms> = {}) =>
  planSpot({ ...terms, ...more }, rates(taken)).next({
    left: 40,
    work: 20,
    starting: 0,
    holding: 'nothing',
    market: 1,
    ...state,
  })

test('spot capacity that lasts is taken and kept, and waited for while there is time', () => {
  assert.equal(next(0.01, {}), 'spot')
  assert.equal(next(0.01, { holding: 'spot' }), 'spot')
  assert.equal(next(0.01, { market: 0 }), 'nothing')
})

test('spot capacity that is lost before the work goes on is not taken, for little more money', () => {
  const dear = { onDemandPrice: 1.2 }
  assert.notEqual(next(0.9, {}, dear), 'spot')
  assert.equal(next(0.9, { left: 23 }, dear), 'on-demand')
  assert.equal(next(0.01, {}, dear), 'spot')
})

test('from the last moment on at which on-demand capacity is in time, nothing else is held', () => {
  assert.equal(next(0.01, { left: 23, work: 20, market: 0 }), 'on-demand')
  assert.equal(next(0.01, { left: 23, work: 20 }), 'on-demand')
  assert.equal(next(0.01, { left: 10, work: 10, holding: 'on-demand' }), 'on-demand')
})

test('who is ahead of time on on-demand capacity goes back to spot capacity', () => {
  assert.equal(next(0.01, { left: 30, work: 5, holding: 'on-demand' }, { work: 15 }), 'spot')
})

/** What is held next by who has so much time and work left on on-demand capacity, which takes so long to leave. */
const leaving = (left: number, leave: number, work = 5) =>
  next(0.01, { left, work, holding: 'on-demand' }, { work: work + 10, left: left + 10, leave })

test('to leave on-demand capacity takes time and money: who has no more of it, or saves less, stays', () => {
  assert.deepEqual([leaving(11, 0), leaving(11, 1), leaving(12, 1)], ['spot', 'on-demand', 'spot'])
  assert.deepEqual([leaving(30, 3), leaving(50, 3, 20), leaving(50, 6, 20)], ['on-demand', 'spot', 'spot'])
})
