import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from '#simulator/fake-clock.ts'
import { createMemoryStore } from './store.ts'

test('a crash takes back the claims that have not come to the disk, and nothing else', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const holder = (name: string) => store.tables.claims.get(name)?.holder
  await store.claims.take('old', 'a', 60)
  await clock.advance(600)
  store.crash()
  await store.claims.take('lost', 'a', 60)
  store.crash()
  assert.deepEqual([holder('old'), holder('lost')], ['a', undefined])
  const [defaults] = await store.projects.list()
  assert.ok(defaults)
  // Whatever waits for the disk brings there what came before it.
  await store.claims.take('kept', 'a', 60)
  await store.projects.change('team', (project) => ({ ...(project ?? defaults), name: 'team' }))
  await store.claims.take('lost', 'b', 60)
  store.crash()
  assert.deepEqual([holder('kept'), holder('lost'), store.tables.projects.get('team')?.name], ['a', undefined, 'team'])
})
