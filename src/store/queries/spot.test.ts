import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import type { Placed, Store } from '#store/store.ts'
import { aJob, aNow } from '#test/builders.ts'

const hour = 3_600_000
const planned = {
  deadline: new Date(aNow + 100 * hour).toISOString(),
  duration: { expected: '4h' },
  checkpoint: { every: '10m' },
}

const onSpot = (workload: string): Placed => {
  const placed = aPlacing(workload)
  if (placed.decision.placement) placed.decision.placement.tier = 'spot'
  return placed
}

const look = (store: Store, now = Date.now()) => store.placement.snapshot({ now, most: 9 })

test('who is planned to its deadline is read with what was seen of spot markets, and what it did there', async () => {
  await using store = await aStore()
  const [lost = '', keeps = '', other = ''] = await submitted(store, [aJob(planned), aJob(planned), aJob()])
  const [taken, kept] = [onSpot(lost), onSpot(keeps)]
  await held(store, [taken, kept, aPlacing(other)])
  await store.apply([{ change: 'attempt', id: taken.attemptId, to: 'running', reason: '' }])
  assert.equal((await look(store)).spot, undefined, 'nobody waits who is planned')
  await store.apply([
    { change: 'attempt', id: taken.attemptId, to: 'lost', reason: '' },
    { change: 'lease', id: taken.leaseId, to: 'lost' },
    { change: 'replica-waits', workload: lost, replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  const { spot, waiting } = await look(store)
  assert.deepEqual(
    spot?.runs.map(({ site, shape, until, taken: isTaken }) => [site, shape, until !== null, isTaken]),
    [
      ['local/west', '16cpu', false, false],
      ['local/west', '16cpu', true, true],
    ],
  )
  assert.deepEqual(
    spot?.tries.map(({ workload }) => workload),
    [lost],
  )
  assert.deepEqual(
    waiting.map(({ workload }) => workload.id),
    [lost],
  )
  assert.equal(await store.placement.come([lost], Date.now()), null, 'it takes a look at everything')
  assert.deepEqual(
    (await look(store, Date.now() + 1000 * hour)).spot?.runs.length,
    1,
    'what ended long ago is not read',
  )
})

test('who is planned stands alone in its line, for others of its spec have done more or less', async () => {
  await using store = await aStore()
  await submitted(store, [aJob(planned), aJob(planned), aJob(), aJob()])
  const needs = (await look(store)).waiting.map(({ need }) => need)
  assert.equal(new Set(needs).size, 3)
})
