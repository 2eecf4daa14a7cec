import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { formatSizeMiB } from '#kit/size.ts'

import { AcceleratorRequest } from '#model/resources.ts'

import { formatAccelerator, parseAccelerator, parseCpus, parseSizeAmount, ResourcesField } from './resources-text.ts'

test('accelerators are read by model or by memory', () => {
  const forms: [string, object][] = [
    ['H200:8', { model: 'H200', count: 8 }],
    ['H200', { model: 'H200', count: 1 }],
    ['A100-80GB:8', { model: 'A100-80GB', count: 8 }],
    ['GB200:4', { model: 'GB200', count: 4 }],
    ['80GB+:8', { memoryMiB: { count: 81_920, atLeast: true }, count: 8 }],
    ['80GB', { memoryMiB: { count: 81_920, atLeast: false }, count: 1 }],
    ['H100:0.5', { model: 'H100', count: 1, shareMilli: 500 }],
    ['H100:0.070', { model: 'H100', count: 1, shareMilli: 70 }],
    ['24GB+:0.25', { memoryMiB: { count: 24_576, atLeast: true }, count: 1, shareMilli: 250 }],
    ['A100/1g.5gb:1', { model: 'A100', profile: '1g.5gb', count: 1 }],
    ['H200/7G.141GB', { model: 'H200', profile: '7g.141gb', count: 1 }],
    ['H100/1g.10gb+me', { model: 'H100', profile: '1g.10gb+me', count: 1 }],
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
    'H200:.5',
    'H200:1e-1',
    'A100/1g:1',
    'A100/8g.80gb',
    'A100/0g.5gb',
    'A100/1g.5gb/1g.5gb',
    '/1g.5gb',
    '80GB/1g.5gb',
  ]) {
    const value = parseAccelerator(text)
    assert.ok('problem' in value && value.problem.includes('; write '), text)
  }
})

test('what is no share is told why, and the nearest that is one', () => {
  const told: [string, RegExp][] = [
    ['H100:1.5', /^1\.5 is not a share of one accelerator; write H100:0\.99 or less, or whole ones$/],
    ['H100:1.0', /^1\.0 is not a share of one accelerator/],
    ['H100:0.995', /^0\.995 is not a share of one/],
    ['H100:0.0', /^0\.0 is less than can be shared; write H100:0\.01 or more$/],
    ['H100:0.123', /^0\.123 is finer than shares are cut; write H100:0\.12$/],
    ['A100/1g.5gb:0.5', /is not one slice, and a program sees no more; write A100\/1g\.5gb:1, or a larger profile$/],
    ['A100/1g.5gb:2', /is not one slice/],
  ]
  for (const [text, expected] of told) {
    const value = parseAccelerator(text)
    assert.match('problem' in value ? value.problem : '', expected)
  }
})

const model = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,39}$/)
const memoryMiB = fc.record({ count: fc.integer({ min: 1, max: 10_000_000 }), atLeast: fc.boolean() })
const profile = fc
  .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 999 }), fc.boolean())
  .map(([compute, memory, media]) => `${compute}g.${memory}gb${media ? '+me' : ''}`)
const devices = fc.integer({ min: 1, max: 9999 })
const shareMilli = fc.integer({ min: 1, max: 99 }).map((hundredths) => hundredths * 10)
const request = fc.oneof(
  fc.record({ model, count: devices }),
  fc.record({ memoryMiB, count: devices }),
  fc.record({ model, count: fc.constant(1), shareMilli }),
  fc.record({ memoryMiB, count: fc.constant(1), shareMilli }),
  fc.record({ model, profile, count: fc.constant(1) }),
)

test('accelerators are read as what they were written from', () => {
  fc.assert(
    fc.property(request, (asked) => {
      assert.deepEqual(parseAccelerator(formatAccelerator(asked)), structuredClone(asked))
      assert.ok(AcceleratorRequest.safeParse(asked).success)
    }),
  )
})

test('amounts that were written in their units are read as they were', () => {
  const amount = fc.record({ count: fc.integer({ min: 1, max: 100_000_000 }), atLeast: fc.boolean() })
  fc.assert(
    fc.property(amount, fc.integer({ min: 1, max: 9999 }), ({ count, atLeast }, whole) => {
      const plus = atLeast ? '+' : ''
      assert.deepEqual(parseCpus(`${count / 1000}${plus}`), { count, atLeast })
      assert.deepEqual(parseSizeAmount(`${formatSizeMiB(count)}${plus}`), { count, atLeast })
      assert.deepEqual(parseAccelerator(`${formatSizeMiB(count)}${plus}:${whole}`), {
        memoryMiB: { count, atLeast },
        count: whole,
      })
    }),
  )
})

test('shared memory is a part of the memory, and a network is needed or preferred', () => {
  const small = ResourcesField.parse({ sharedMemory: '8GB' })
  assert.deepEqual([small.memoryMiB, small.sharedMemoryMiB], [{ count: 8192, atLeast: true }, 8192])
  const tooMuch = ResourcesField.safeParse({ sharedMemory: '8GB', memory: '4GB' })
  assert.match(tooMuch.error?.issues[0]?.message ?? '', /of which there is 4GB; write memory: 8GB\+ or more$/)
  const both = { rdma: 'required', imex: 'required' }
  for (const [written, read] of [
    ['rdma', { rdma: 'required' }],
    [['imex', 'rdma'], both],
    [{ rdma: 'preferred' }, { rdma: 'preferred' }],
  ] as const)
    assert.deepEqual(ResourcesField.parse({ network: written }).network, read)
})

test('no text makes the readers throw', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.+:/GBHAgb- ') }))
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
