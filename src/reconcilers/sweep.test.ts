import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aSite, aWatchedWorld } from '#rigs/watched-world.ts'

test('what its site still shows for a while after it is gone is no orphan, and is not retired again and again', async () => {
  await using world = await aWatchedWorld({
    sites: [aSite('west', 4)],
    faults: { runMs: [20_000, 20_000], ghostMs: [900_000, 900_000] },
  })
  const job = await world.submit({ kind: 'job', name: 'short', run: 'train', nodes: 2 })
  assert.ok(await world.runUntil(async () => (await world.stateOf(job)) === 'succeeded', 120_000))
  await world.runFor(30_000)
  const provider = world.house.providers.get('simulated')
  assert.ok(provider)
  let retired = 0
  world.house.providers.set('simulated', {
    ...provider,
    retire: (...given) => {
      retired++
      return provider.retire(...given)
    },
  })
  await world.runFor(600_000)
  const listed = await provider.list('west', new AbortController().signal)
  assert.equal(listed.ok && listed.value.length, 1, 'it is not shown any more: the test shows nothing')
  const events = await world.store.events.since(null, { most: 1_000 })
  assert.deepEqual(
    events.filter(({ type }) => type === 'orphan.found').map(({ message }) => message),
    [],
  )
  assert.ok(retired <= 1, `it was retired ${retired} times`)
})
