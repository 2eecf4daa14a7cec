import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createIds } from './ids.ts'

test('ids sort by the time at which they were made', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 44), fc.nat(2 ** 44), (one, other) => {
      const [a, b] = [one, other].map((time) => createIds(() => time, randomBytes)('w'))
      assert.ok(a && b)
      if (one !== other) assert.equal(a < b, one < other)
    }),
  )
})

test('ids of one moment differ, and are safe as names, labels, paths and addresses', () => {
  const ids = createIds(() => 1_767_225_600_000, randomBytes)
  const made = Array.from({ length: 10_000 }, () => ids('w'))
  assert.equal(new Set(made).size, made.length)
  for (const id of made) assert.match(id, /^w-[0-9a-hjkmnp-tv-z]{16}$/)
})
