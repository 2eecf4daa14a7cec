import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createBuckets, lastBucket, putIn, takeOut } from './buckets.ts'
import { tightest } from './choose.ts'

const none = new Int32Array()

/** So large that neighbouring counts share a bucket in most runs. */
const counts = fc.array(fc.integer({ min: 0, max: 2 ** 24 }), { minLength: 65, maxLength: 1200 })

test('the best fit is found up to the width of a bucket, whenever there is a fit', () => {
  fc.assert(
    fc.property(counts, fc.array(fc.nat(), { minLength: 20, maxLength: 20 }), (first, picks) => {
      const units = Int32Array.from(first)
      const buckets = createBuckets(units.length, 2 ** 24)
      units.forEach((able, domain) => able > 0 && putIn(buckets, domain, able))
      const layer = { units, buckets, most: 2 ** 24, raw: none, busy: none }
      for (const pick of picks) {
        const need = Math.max(1, (units[pick % units.length] ?? 0) + (pick % 3) - 1)
        const found = tightest(layer, need)
        const least = Math.min(...units.filter((able) => able >= need))
        if (least === Infinity) {
          assert.equal(found, -1)
          continue
        }
        const able = units[found] ?? 0
        assert.ok(able >= need && able - least < 2 ** buckets.shift, `${need}: ${able}, least ${least}`)
        takeOut(buckets, found, able)
        units[found] = 0
      }
    }),
  )
})

test('what was all taken out again is empty', () => {
  fc.assert(
    fc.property(counts, (units) => {
      const buckets = createBuckets(units.length, 2 ** 24)
      units.forEach((able, domain) => putIn(buckets, domain, able))
      units.forEach((able, domain) => takeOut(buckets, domain, able))
      assert.equal(lastBucket(buckets), -1)
      assert.deepEqual(buckets, createBuckets(units.length, 2 ** 24))
    }),
  )
})

test('of equals, the first in the order of the tree is taken', () => {
  for (const domains of [10, 1000]) {
    const units = Int32Array.from({ length: domains }, (_, i) => (i % 3 === 2 ? 4 : 9))
    const buckets = domains > 64 ? createBuckets(domains, 9) : null
    if (buckets) units.forEach((able, domain) => putIn(buckets, domain, able))
    assert.equal(tightest({ units, buckets, most: 9, raw: none, busy: none }, 3), 2)
  }
})
