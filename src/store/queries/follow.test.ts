import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'pg'

import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anArray, aNow } from '#test/builders.ts'

const asked = { now: aNow, most: 10, claimMs: 1000 }

test('two control planes never follow one workload at the same time', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  await submitted(
    store,
    Array.from({ length: 40 }, () => aJob({ expiry: '1d' })),
  )
  const found = await Promise.all([store, other, store, other].map(({ follow }) => follow.due(asked)))
  const ids = found.flat().map(({ workload }) => workload.id)
  assert.equal(ids.length, 40)
  assert.equal(new Set(ids).size, 40)
  assert.deepEqual(await store.follow.due(asked), [])
  assert.equal((await store.follow.due({ ...asked, now: aNow + 1000 })).length, 10)
})

test(
  'who claims workloads passes over those that another one is claiming, and waits for nobody',
  { timeout: 10_000 },
  async () => {
    await using store = await aStore()
    const ids = await submitted(
      store,
      Array.from({ length: 3 }, () => aJob({ expiry: '1d' })),
    )
    const claiming = new Client({ connectionString: store.url })
    await claiming.connect()
    await claiming.query('begin')
    await claiming.query('select id from workloads where id = $1 for no key update', [ids[0]])
    const found = await store.follow.due(asked)
    assert.deepEqual(found.map(({ workload }) => workload.id).sort(), ids.slice(1).sort())
    await claiming.query('rollback')
    await claiming.end()
    assert.equal((await store.follow.due(asked)).length, 1)
  },
)

test('a workload is followed from its placing on, or from its submission when a time is set for its end', async () => {
  await using store = await aStore()
  const [plain = '', limited = ''] = await submitted(store, [aJob(), aJob({ expiry: '1d' })])
  const due = async () => (await store.follow.due(asked)).map(({ workload }) => workload.id)
  assert.deepEqual(await due(), [limited])
  await held(store, [aPlacing(plain)])
  assert.deepEqual(await due(), [plain])
})

test('all is known that a decision needs', async () => {
  await using store = await aStore()
  await store.sites.put({ provider: 'local', name: 'west', jurisdictions: ['US'], patienceMs: 5000 }, aNow)
  const [id = ''] = await submitted(store, [anArray({ tasks: 100 })])
  const [before, after] = [aPlacing(id), aPlacing(id)]
  await held(store, [before])
  await store.apply([
    { change: 'lease', id: before.leaseId, to: 'lost' },
    { change: 'attempt', id: before.attemptId, to: 'lost', reason: '' },
    { change: 'replica-waits', workload: id, replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  await held(store, [after])
  const [facts] = await store.follow.due(asked)
  assert.deepEqual(
    facts?.attempts.map(({ number, lease, ranks }) => [number, lease.id, ranks.length]),
    [[2, after.leaseId, 1]],
  )
  assert.deepEqual(
    facts?.leftovers.map((lease) => lease.id),
    [before.leaseId],
  )
  assert.deepEqual(facts?.tasks, { succeeded: 0, failed: 0, leased: 0, waiting: 100 })
  assert.deepEqual(
    facts?.replicas.map(({ state, losses }) => [state, losses]),
    [['placed', 1]],
  )
  assert.equal(facts?.sites['local/west']?.patienceMs, 5000)
  assert.equal(facts?.spentMicros, 0n)
})

test('news that comes while a decision is made is not slept over', async () => {
  await using store = await aStore()
  const [quiet = '', busy = ''] = await submitted(store, [aJob(), aJob()])
  await store.follow.due(asked)
  await store.workloads.want(busy, 'stop', { who: 'me', now: aNow + 5 })
  await store.apply([quiet, busy].map((id) => ({ change: 'look-again', id, at: aNow + 60_000 })))
  assert.equal(await store.follow.nextDueAt(), aNow + 5)
  assert.deepEqual(
    (await store.follow.due({ ...asked, now: aNow + 5 })).map(({ workload }) => workload.id),
    [busy],
  )
})
