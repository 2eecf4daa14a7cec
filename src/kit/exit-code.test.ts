import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'

import { shellCode } from './exit-code.ts'

test('an exit is reported as a shell would', () => {
  assert.equal(shellCode({ code: 0, signal: null }), 0)
  assert.equal(shellCode({ code: 42, signal: null }), 42)
  assert.equal(shellCode({ code: null, signal: 'SIGKILL' }), 137)
  assert.equal(shellCode({ code: null, signal: 'SIGTERM' }), 143)
})

test('a real-time signal has its number, however it is written', () => {
  const codes = ['SIGRTMIN', 'SIGRTMIN+3', 'SIGRTMAX-1', 'SIGRTMAX', 'SIG40'].map((signal) =>
    shellCode({ code: null, signal }),
  )
  assert.deepEqual(codes, [162, 165, 191, 192, 168])
})

test('every signal that the system names has its number', () => {
  for (const [signal, number] of Object.entries(constants.signals))
    assert.equal(shellCode({ code: null, signal }), 128 + number)
})

test('a process whose end nobody knows did not succeed', () => {
  for (const signal of [null, '', 'SIG', 'SIG0', 'SIGNEW', 'SIGRTMAX+1', 'SIG99'])
    assert.equal(shellCode({ code: null, signal }), 255, `${signal}`)
})
