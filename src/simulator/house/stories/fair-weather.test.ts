import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aSite, aWatchedWorld } from '#rigs/watched-world.ts'

test('an impossible gang is refused at once, with what would help, and holds up nobody', async () => {
  await using world = await aWatchedWorld({ sites: [aSite('west', 4)] })
  const resources = { memory: '64 GiB' }
  const impossible = await world.submit({ kind: 'job', name: 'too-large', run: 'train', nodes: 2, resources })
  const possible = await world.submit({ kind: 'job', name: 'fits', run: 'train', nodes: 4 })
  await world.step()
  const refusal = await world.store.workloads.refusal(impossible)
  assert.equal(refusal?.impossible, true)
  assert.match(refusal?.text ?? '', /Waiting does not help.*a node has 16GB of memory, asked for 64GB/)
  assert.ok((refusal?.next.length ?? 0) > 0, 'it does not say what helps')
  assert.equal(world.cloud.gangs('west').length, 1)
  assert.ok(await world.runUntil(async () => (await world.stateOf(possible)) === 'succeeded', 300_000))
  assert.equal(await world.stateOf(impossible), 'queued')
})
