import assert from 'node:assert/strict'
import { test } from 'node:test'

import { shellCode } from './exit-code.ts'

test('an exit is reported as a shell would', () => {
  assert.equal(shellCode({ code: 0, signal: null }), 0)
  assert.equal(shellCode({ code: 42, signal: null }), 42)
  assert.equal(shellCode({ code: null, signal: 'SIGKILL' }), 137)
  assert.equal(shellCode({ code: null, signal: 'SIGTERM' }), 143)
})

test('a process whose end nobody knows did not succeed', () => {
  assert.notEqual(shellCode({ code: null, signal: null }), 0)
  assert.notEqual(shellCode({ code: null, signal: 'SIGNEW' }), 0)
})
