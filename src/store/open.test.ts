import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'

test('a new store has the default project', async () => {
  await using store = await aStore()
  assert.deepEqual(
    (await store.projects.list()).map(({ name }) => name),
    ['default'],
  )
})
