import assert from 'node:assert/strict'
import { test } from 'node:test'

import { askProgram, type Words } from './ask-program.ts'

const asked = (...words: Words) => askProgram(words, { env: {}, signal: new AbortController().signal })
/** A program that says so on standard error, and fails. */
const failing = (text: string) =>
  asked(process.execPath, '-e', `process.stderr.write(${JSON.stringify(text)}); process.exitCode = 3`)

test('a program that fails is told by its last words, in one line, without what looks like a token', async () => {
  assert.deepEqual(await failing('Error reading:\n\n  Code: 403.\n'), { failed: 'Error reading: Code: 403.' })
  const tokens = ['eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln', 'k8s-aws-v1.aHR0cHM6Ly9zdHM', 'ya29.a0AfH6SMB-x_y']
  for (const token of tokens)
    assert.deepEqual(await failing(`got ${token}, and it ended`), { failed: 'got …, and it ended' })
  const proxy = 'dial http://me:secret@proxy:3128 and https://a.example/b@c: no'
  assert.deepEqual(await failing(proxy), { failed: 'dial http://…@proxy:3128 and https://a.example/b@c: no' })
  const long = await failing(`${'x'.repeat(1000)} the cause`)
  assert.match('failed' in long ? long.failed : '', /^x{490} the cause$/)
  assert.deepEqual(await failing(''), { failed: 'it ended with 3' })
})

test('what cannot be run is told, whatever keeps it from being run', async () => {
  assert.deepEqual(await asked('no-such-program-anywhere'), { missing: 'no-such-program-anywhere' })
  assert.deepEqual(await asked(`${process.execPath}/x`), { failed: 'it cannot be run (ENOTDIR)' })
})
