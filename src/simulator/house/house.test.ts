import assert from 'node:assert/strict'
import { test } from 'node:test'

import { storyOf } from './draw.ts'
import { measures } from './measure.ts'
import { onMemory } from './on-memory.ts'
import { runStory } from './run.ts'

/** A story of a few minutes. */
const short = (seed: number) =>
  storyOf(seed, { ...measures.story, lastsMs: [120_000, 120_000], workloads: [3, 3], faults: [8, 8], runMs: [5_000] })

test('the same seed is the same story, and the same story the same history to the last call', async () => {
  assert.deepEqual(storyOf(3), storyOf(3))
  const [one, other] = [await runStory(short(6), onMemory), await runStory(short(6), onMemory)]
  assert.deepEqual(one.breaches, [])
  assert.ok(one.calls > 500, `only ${one.calls} calls: the test shows nothing`)
  assert.equal(other.digest, one.digest)
  assert.deepEqual(other.last, one.last)
  assert.deepEqual(other.coverage, one.coverage)
})
