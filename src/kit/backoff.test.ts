import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { backoffMs } from './backoff.ts'

test('waits double from the first to the longest', () => {
  const waits = [1, 2, 3, 4, 5, 1000].map((tries) => backoffMs({ tries, firstMs: 100, mostMs: 1000, spread: 0 }))
  assert.deepEqual(waits, [100, 200, 400, 800, 1000, 1000])
})

test('a wait is a whole number between half of its length and all of it', () => {
  const options = fc.record({
    tries: fc.integer({ min: 1, max: 10_000 }),
    firstMs: fc.integer({ min: 1, max: 100_000 }),
    mostMs: fc.integer({ min: 1, max: 10_000_000 }),
    spread: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  })
  fc.assert(
    fc.property(options, (given) => {
      const [wait, full] = [backoffMs(given), backoffMs({ ...given, spread: 0 })]
      assert.ok(Number.isSafeInteger(wait) && wait <= full && wait >= Math.floor(full / 2) && full <= given.mostMs)
    }),
  )
})
