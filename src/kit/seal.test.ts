import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import { assert as check, property, string, uint8Array } from 'fast-check'

import { credentialOf, deriveKey, leaseOf, sameText, seal, unseal } from './seal.ts'

const key = deriveKey(randomBytes(32), 'secrets')

test('what was sealed opens again for its owner', () => {
  check(
    property(uint8Array({ maxLength: 300 }), string(), (plain, owner) => {
      assert.deepEqual(new Uint8Array(unseal(key, owner, seal(key, owner, plain)) ?? []), plain)
    }),
    { numRuns: 50 },
  )
})

test('a sealed value opens neither for another owner, nor with another key, nor with a byte changed', () => {
  const sealed = seal(key, 'default/TOKEN', Buffer.from('hush'))
  assert.equal(unseal(key, 'default/OTHER', sealed), null)
  assert.equal(unseal(deriveKey(randomBytes(32), 'secrets'), 'default/TOKEN', sealed), null)
  for (let i = 0; i < sealed.length; i++) {
    const changed = Uint8Array.from(sealed, (byte, at) => (at === i ? byte ^ 1 : byte))
    assert.equal(unseal(key, 'default/TOKEN', changed), null, `byte ${i}`)
  }
  assert.equal(unseal(key, 'default/TOKEN', new Uint8Array()), null)
})

test('each use of the house key has a key of its own', () => {
  const house = randomBytes(32)
  assert.notDeepEqual(deriveKey(house, 'secrets'), deriveKey(house, 'credentials'))
  assert.deepEqual(deriveKey(house, 'bundles'), deriveKey(house, 'bundles'))
})

test('a credential names its lease, and a forged one names none', () => {
  const credential = credentialOf(key, 'l-123')
  assert.equal(leaseOf(key, credential), 'l-123')
  assert.equal(leaseOf(key, credential.replace('l-123', 'l-124')), null)
  for (const forged of ['', '.', 'l-123', 'l-123.', `${credential}0`]) assert.equal(leaseOf(key, forged), null)
})

test('texts of different length are compared without a fault', () => {
  assert.equal(sameText('a', 'abc'), false)
  assert.equal(sameText('abc', 'abc'), true)
})
