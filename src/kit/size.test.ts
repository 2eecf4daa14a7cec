import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { formatSizeMiB, parseSizeMiB } from './size.ts'

test('sizes are read in powers of two, whatever the unit is called', () => {
  for (const text of ['80GB', '80G', '80GiB', '80Gi', '80 gb', '80', 80, '81920MB', '81920Mi']) {
    assert.equal(parseSizeMiB(text), 81_920, String(text))
  }
  assert.equal(parseSizeMiB('1.5TB'), 1.5 * 1024 * 1024)
  assert.equal(formatSizeMiB(81_920), '80GB')
  assert.equal(formatSizeMiB(0), '0MB')
})

test('what is no size is refused with an example', () => {
  for (const text of ['', 'GB', '-1GB', '1e3', '1,000MB', '80XB', '1 2GB', '5constructor', `${'9'.repeat(99)}TB`, -1]) {
    const read = parseSizeMiB(text)
    assert.ok(typeof read === 'object' && /is not a size; write for example/.test(read.problem), String(text))
  }
})

test('a size that was written by the house is read as the same one', () => {
  const sizes = fc.oneof(
    fc.nat(2 ** 31),
    fc.maxSafeNat(),
    fc.nat(2 ** 20).map((count) => count * 1024),
  )
  fc.assert(fc.property(sizes, (size) => assert.equal(parseSizeMiB(formatSizeMiB(size)), size)))
})

test('no text makes the reader throw, and what it reads is a whole number', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.kmgtibKMGTIB ') }), fc.double())
  fc.assert(
    fc.property(text, (written) => {
      const read = parseSizeMiB(written)
      assert.ok(typeof read === 'object' || (Number.isSafeInteger(read) && read >= 0))
    }),
  )
})
