import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { formatDuration, parseDuration, roundDuration } from './duration.ts'

const hundredYearsMs = 36_525 * 86_400_000

test('durations are read in the forms that people write', () => {
  const forms: [string | number, number][] = [
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    [' 1h 30m ', 5_400_000],
    ['2 h', 7_200_000],
    ['1.5h', 5_400_000],
    ['500ms', 500],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['0s', 0],
    [90, 90_000],
    [0.25, 250],
  ]
  for (const [text, expected] of forms) assert.equal(parseDuration(text), expected, String(text))
})

test('what is no duration is refused with an example', () => {
  for (const text of [
    '',
    ' ',
    '90',
    'h',
    '1.h',
    '-1s',
    '1h-1m',
    '1 0s',
    '1:30',
    '1h x',
    '1H',
    'Infinitys',
    -1,
    Number.NaN,
  ]) {
    const read = parseDuration(text)
    assert.ok(typeof read === 'object' && /is not a duration; write for example/.test(read.problem), String(text))
  }
  for (const text of ['101000d', `${'9'.repeat(400)}h`, 1e300, Number.POSITIVE_INFINITY]) {
    const read = parseDuration(text)
    assert.ok(typeof read === 'object' && /longer than a hundred years/.test(read.problem), String(text))
  }
})

test('a duration that was written by the house is read as the same one', () => {
  fc.assert(fc.property(fc.nat(hundredYearsMs), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)))
  assert.equal(formatDuration(5_400_000), '1h30m')
  assert.equal(formatDuration(0), '0s')
})

test('no text makes the reader throw, and what it reads is whole and bounded', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.smhdw -') }), fc.double())
  fc.assert(
    fc.property(text, (written) => {
      const read = parseDuration(written)
      assert.ok(typeof read === 'object' || (Number.isSafeInteger(read) && read >= 0 && read <= hundredYearsMs))
    }),
  )
})

test('what something took is told in a few characters, more exactly where it was short', () => {
  const told = [0, 40, 300, 6127, 9960, 42_900, 200_000, 3_600_000, 90_000_000, 36_000_000, 1e9].map(roundDuration)
  assert.deepEqual(told, ['0s', '0s', '0.3s', '6.1s', '10s', '43s', '3m20s', '1h', '1d1h', '10h', '11d'])
})
