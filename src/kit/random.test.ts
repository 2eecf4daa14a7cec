import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createRandom, drawOf } from './random.ts'

function stream(seed: string | number): number[] {
  const random = createRandom(seed)
  return Array.from({ length: 50 }, () => random.next())
}

test('one seed gives one stream, and another seed another', () => {
  assert.deepEqual(stream(7), stream(7))
  assert.notDeepEqual(stream(7), stream(8))
  assert.equal(new Set(stream('a')).size, 50)
})

test('a stream is spread evenly over tenths, and neighbours are not alike', () => {
  const random = createRandom(1)
  const tenths = Array.from({ length: 10 }, () => 0)
  let sameAsLast = 0
  let last = -1
  for (let i = 0; i < 20_000; i++) {
    const tenth = random.below(10)
    tenths[tenth] = (tenths[tenth] ?? 0) + 1
    if (tenth === last) sameAsLast++
    last = tenth
  }
  for (const count of tenths) assert.ok(Math.abs(count - 2_000) < 200, `${count}`)
  assert.ok(Math.abs(sameAsLast - 2_000) < 200, `${sameAsLast}`)
})

test('a draw belongs to its parts, whatever is drawn before, and parts do not run together', () => {
  const first = drawOf(1, 'token', 'boot')
  drawOf(1, 'other', 'boot')
  assert.equal(drawOf(1, 'token', 'boot'), first)
  assert.notEqual(drawOf(1, 'tokenb', 'oot'), first)
  assert.notEqual(drawOf(2, 'token', 'boot'), first)
})

test('draws of names in a row are spread evenly', () => {
  const draws = Array.from({ length: 20_000 }, (_, i) => drawOf(3, `l-${i}`, 'life'))
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
  assert.ok(Math.abs(mean - 0.5) < 0.01, `${mean}`)
  assert.ok(Math.abs(draws.filter((draw) => draw < 0.1).length - 2_000) < 200)
  assert.equal(new Set(draws).size, draws.length)
})
