import assert from 'node:assert/strict'
import { test } from 'node:test'

import { storyOf } from './draw.ts'
import { measures } from './measure.ts'
import { onMemory } from './on-memory.ts'
import { runStory } from './run.ts'
import { shrink } from './shrink.ts'
import type { Step, Story } from './story.ts'
import { endingText, storyText } from './tell.ts'

const limits = { mostMs: 1, now: () => 0 }

/** Two kinds of steps of which a drawn story has some, beside others. */
const [one, other] = ['submit', 'kill'] as const satisfies Step['do'][]
const has = ({ steps }: Story, what: Step['do']): boolean => steps.some((step) => step.do === what)
const both = async (story: Story): Promise<boolean> => has(story, one) && has(story, other)

const drawn = Array.from({ length: 40 }, (_, seed) => storyOf(seed + 1, measures.story)).filter(
  (story) => has(story, one) && has(story, other) && story.steps.length > 8,
)

test('a story that fails is made as short as what makes it fail', async () => {
  assert.ok(drawn.length > 3)
  for (const story of drawn) {
    const short = await shrink(story, both, limits)
    assert.deepEqual(short.steps.map((step) => step.do).sort(), [other, one], `story ${story.seed}`)
    assert.deepEqual([short.planes.length, short.cloud.sites.length, short.troubles.length], [1, 1, 0])
    for (const step of short.steps) {
      assert.ok(step.at % 1000 === 0, 'at a whole second')
      if (step.do !== 'submit') continue
      assert.deepEqual(
        ['budget', 'placement', 'retry', 'checkpoint', 'data'].filter((field) => field in step.spec),
        [],
      )
    }
  }
})

test('a story that does not fail without any part of it stays as it is', async () => {
  const [story = assert.fail()] = drawn
  assert.equal(await shrink(story, async () => false, limits), story)
})

test('a story that was told is told again by each of its steps, its last calls, and what became of it', async () => {
  const [story = assert.fail()] = drawn
  const short = await shrink(story, both, limits)
  const text = storyText(short)
  assert.match(text, new RegExp(`^Story ${story.seed}: control planes \\S+`))
  assert.equal(
    text.match(/^[\d:.]+ {2}(somebody submits .* work-|\w+ dies (before|after) its call )/gm)?.length,
    2,
    text,
  )
  const ending = await runStory(short, onMemory)
  const told = endingText(ending, 5).split('\n')
  assert.equal(told.indexOf('All is as it must be.'), 6, 'behind five lines, and an empty one')
  const wrong = { invariant: 'nothing is lost', rule: 3, what: 'train is gone', at: 61_000 } as const
  assert.match(endingText({ ...ending, breaches: [wrong] }, 5), /nothing is lost \(rule 3\): train is gone$/m)
})
