import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createHeap } from '#kit/heap.ts'
import { begin, type Begun, freshPace, heard, orderMs, roomLeft } from './pace.ts'

type Site = {
  /** An order takes so long there at the least, however few there are. */
  leastMs: number
  /** It works on so many side by side, each of which takes so long. */
  width: number
  workMs: number
}

type Order = Begun & { endsAt: number }

/** Gives a site so many orders, as fast as its pace lets them begin; those that take too long come again. */
function giveAll({ leastMs, width, workMs }: Site, count: number) {
  const pace = freshPace()
  const free = Array.from({ length: width }, () => 0)
  const ends = createHeap<Order>((a, b) => a.endsAt < b.endsAt)
  let [now, left, givenUp, most] = [0, count, 0, 0]
  while (left > 0 || pace.underWay > 0) {
    const some = Math.min(left, roomLeft(pace))
    const begun = some > 0 ? begin(pace, some, now) : null
    left -= some
    most = Math.max(most, pace.underWay)
    for (const one of begun ? Array.from({ length: some }, () => begun) : []) {
      const hand = free.indexOf(Math.min(...free))
      const at = Math.max(now, free[hand] ?? 0) + workMs
      free[hand] = at
      ends.push({ ...one, endsAt: Math.min(at + leastMs, now + one.mostMs) })
      if (at + leastMs <= now + one.mostMs) continue
      givenUp++
      left++
    }
    const next = ends.pop()
    if (!next) continue
    now = next.endsAt
    heard(pace, next, { now, answered: next.endsAt < next.at + next.mostMs })
    pace.underWay--
  }
  return { pace, givenUp, most, tookMs: now }
}

test('a site of any speed is kept busy, and none of its orders is given up', () => {
  const aSite = fc.record({
    leastMs: fc.integer({ min: 1, max: 1_900 }),
    width: fc.integer({ min: 1, max: 40 }),
    workMs: fc.integer({ min: 1, max: 500 }),
  })
  const property = fc.property(aSite, (site) => {
    const count = 1_500
    const { givenUp, most, tookMs, pace } = giveAll(site, count)
    assert.equal(givenUp, 0)
    assert.ok(most <= 64)
    assert.ok(orderMs(pace) <= 30_000)
    const { leastMs, width, workMs } = site
    const bestMs = Math.max((count * workMs) / width, (count * (leastMs + workMs)) / 64)
    assert.ok(tookMs <= 2 * bestMs + 20 * (leastMs + workMs), `${tookMs} ms, and ${bestMs} is the best`)
  })
  fc.assert(property, { numRuns: 100 })
})

test('a site that takes longer for each order than a first one may take is given the time that it needs', () => {
  const { givenUp, tookMs } = giveAll({ leastMs: 9_000, width: 64, workMs: 100 }, 640)
  assert.ok(givenUp <= 8, String(givenUp))
  assert.ok(tookMs < 200_000, String(tookMs))
})

test('a site that does not answer is tried with one order at a time, and as it can take them when it is back, however slow', () => {
  const pace = freshPace()
  let now = 0
  const round = (answered: boolean, tookMs: number) => {
    const count = roomLeft(pace)
    const begun = begin(pace, count, now)
    now += tookMs
    for (let i = 0; i < count; i++) heard(pace, begun, { now, answered })
    pace.underWay -= count
    return count
  }
  const away = Array.from({ length: 5 }, () => round(false, 6_000))
  assert.deepEqual(away, [8, 4, 2, 1, 1])
  const back = Array.from({ length: 8 }, () => round(true, 20))
  assert.deepEqual(back, [1, 2, 4, 8, 16, 32, 64, 64])
  const slowerForGood = Array.from({ length: 14 }, () => round(true, 3_000))
  assert.deepEqual(slowerForGood, [64, 32, 16, 8, 4, 2, 1, 2, 4, 8, 16, 32, 64, 64])
})
