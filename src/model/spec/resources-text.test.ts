import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { formatSizeMiB } from '#kit/size.ts'

import { parseAccelerator, parseCpus, parseSizeAmount } from './resources-text.ts'

test('accelerators are read by model or by memory', () => {
  const forms: [string, object][] = [
    ['H200:8', { model: 'H200', count: 8 }],
    ['H200', { model: 'H200', count: 1 }],
    ['A100-80GB:8', { model: 'A100-80GB', count: 8 }],
    ['GB200:4', { model: 'GB200', count: 4 }],
    ['80GB+:8', { memoryMiB: { count: 81_920, atLeast: true }, count: 8 }],
    ['80GB', { memoryMiB: { count: 81_920, atLeast: false }, count: 1 }],
    [' 1.5TB+ ', { memoryMiB: { count: 1.5 * 1024 * 1024, atLeast: true }, count: 1 }],
  ]
  for (const [text, expected] of forms) assert.deepEqual(parseAccelerator(text), expected, text)
})

test('what is no accelerator is refused with an example', () => {
  for (const text of [
    '',
    ':8',
    'H200:',
    'H200:0',
    'H200:08',
    'H200:1.5',
    'H200:8:1',
    '4090:8',
    '80:8',
    'x y',
    'H200+:8',
  ]) {
    assert.ok('problem' in parseAccelerator(text), text)
  }
})

test('amounts that were written in their units are read as they were', () => {
  const amount = fc.record({ count: fc.integer({ min: 1, max: 100_000_000 }), atLeast: fc.boolean() })
  fc.assert(
    fc.property(amount, fc.integer({ min: 1, max: 9999 }), ({ count, atLeast }, devices) => {
      const plus = atLeast ? '+' : ''
      assert.deepEqual(parseCpus(`${count / 1000}${plus}`), { count, atLeast })
      assert.deepEqual(parseSizeAmount(`${formatSizeMiB(count)}${plus}`), { count, atLeast })
      assert.deepEqual(parseAccelerator(`${formatSizeMiB(count)}${plus}:${devices}`), {
        memoryMiB: { count, atLeast },
        count: devices,
      })
    }),
  )
})

test('no text makes the readers throw', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.+:GBHA- ') }))
  fc.assert(
    fc.property(text, (written) => {
      for (const read of [parseCpus, parseSizeAmount]) {
        const value = read(written)
        assert.ok('problem' in value || (Number.isSafeInteger(value.count) && value.count >= 0))
      }
      const value = parseAccelerator(written)
      assert.ok('problem' in value || (value.count >= 1 && value.count <= 9999))
    }),
  )
})
