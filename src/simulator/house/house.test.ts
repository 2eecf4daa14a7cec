import assert from 'node:assert/strict'
import { test } from 'node:test'

import { storyOf } from './draw.ts'
import { onMemory } from './on-memory.ts'
import { runStory } from './run.ts'

test('the same seed is the same story, and the same story the same history to the last call', async () => {
  assert.deepEqual(storyOf(3), storyOf(3))
  const [one, other] = [await runStory(storyOf(12), onMemory), await runStory(storyOf(12), onMemory)]
  assert.deepEqual(one.breaches, [])
  assert.ok(one.calls > 1_000, `only ${one.calls} calls: the test shows nothing`)
  assert.equal(other.digest, one.digest)
  assert.deepEqual(other.last, one.last)
  assert.deepEqual(other.coverage, one.coverage)
})
