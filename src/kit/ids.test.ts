import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createIds, pooled } from './ids.ts'

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
  const ids = createIds(() => 1_767_225_600_000, pooled(randomBytes))
  const made = Array.from({ length: 10_000 }, () => ids('w'))
  assert.equal(new Set(made).size, made.length)
  for (const id of made) assert.match(id, /^w-[0-9a-hjkmnp-tv-z]{16}$/)
})

test('no byte of a pool is given twice, and a new one is drawn when what is left is too little', () => {
  let drawn = 0
  const random = pooled((count) => new Uint8Array(count).map((_, i) => (drawn++, i % 251)))
  const given = Array.from({ length: 585 }, () => [...random(7)]).flat()
  assert.deepEqual(
    given,
    Array.from({ length: 4_095 }, (_, i) => i % 251),
  )
  assert.equal(drawn, 4_096)
  assert.deepEqual([...random(7)], [0, 1, 2, 3, 4, 5, 6])
  assert.equal(random(5_000).length, 5_000)
  assert.equal(drawn, 2 * 4_096 + 5_000)
})
