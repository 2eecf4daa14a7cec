import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'

import { onMemory } from './on-memory.ts'
import { runStory } from './run.ts'
import type { Story } from './story.ts'

/** Stories that went wrong once. Each file is named after what went wrong. */
for (const path of globSync(join(import.meta.dirname, 'kept', '*.json')).sort())
  test(`it does not happen again: ${basename(path, '.json').replaceAll('-', ' ')}`, async () => {
    const story = JSON.parse(readFileSync(path, 'utf8')) as Story // written by `npm run fuzz:house`
    assert.deepEqual((await runStory(story, onMemory)).breaches, [])
  })
