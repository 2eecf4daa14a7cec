import assert from 'node:assert/strict'
import { test } from 'node:test'

import { expectedMsAtLeast, expectedMsAtMost, expectedMsOn, speedPermille, throughputRules } from './throughput.ts'

test('the speed of a model is found whatever its case, and is 1000 where nothing is said', () => {
  const throughput = { H100: 1, 'a100-80GB': 0.4567, TPU: 12 }
  const models = ['h100', 'A100-80gb', 'TPU', 'H200', undefined]
  assert.deepEqual(
    models.map((model) => speedPermille({ throughput }, model)),
    [1000, 457, 12_000, 1000, 1000],
  )
})

test('a run lasts longer on slower accelerators, and no longer than on the slowest that it names', () => {
  const spec = { throughput: { H100: 1, A100: 0.45, B200: 2 }, duration: { expectedMs: 9000, maximumMs: undefined } }
  assert.deepEqual(
    ['A100', 'B200', 'L40S'].map((model) => expectedMsOn(spec, model)),
    [20_000, 4500, 9000],
  )
  assert.deepEqual([expectedMsAtLeast(spec), expectedMsAtMost(spec)], [4500, 20_000])
  const unknown = { ...spec, duration: { expectedMs: undefined, maximumMs: undefined } }
  assert.deepEqual([expectedMsOn(unknown, 'H100'), expectedMsAtMost(unknown)], [undefined, undefined])
})

test('a model that is there twice is refused', () => {
  assert.deepEqual(throughputRules({ throughput: { H100: 1, A100: 1, h100: 2 } }), [
    { path: ['throughput', 'h100'], message: 'H100 is the same model', fix: 'keep one of the two' },
  ])
})
