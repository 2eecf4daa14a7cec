import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anArray, aNow, aService } from '#test/builders.ts'

test('what was submitted is found by its id and by its name, live ones first', async () => {
  await using store = await aStore()
  const [old = ''] = await submitted(store, [aJob({ name: 'train' })], aNow)
  const [young = ''] = await submitted(store, [aJob({ name: 'train' })], aNow + 1)
  assert.equal((await store.workloads.find('default', 'train'))?.id, young)
  await store.apply([{ change: 'workload', id: young, to: 'stopped', reason: 'asked' }])
  assert.equal((await store.workloads.find('default', 'train'))?.id, old)
  assert.equal((await store.workloads.find('default', young))?.id, young)
  assert.equal(await store.workloads.find('other', 'train'), null)
  assert.equal(await store.workloads.get('w-none'), null)
})

test('a workload comes back as it went in, with its replicas counted', async () => {
  await using store = await aStore()
  const service = aService({ name: 'chat', replicas: 3, labels: { team: 'x' } })
  const [id = ''] = await submitted(store, [service])
  const found = await store.workloads.get(id)
  assert.deepEqual(found, {
    ...service,
    spec: JSON.parse(JSON.stringify(service.spec)),
    id,
    createdAt: aNow,
    ready: 0,
    replicas: 3,
    sites: [],
    priceMicros: 0,
    spentMicros: 0n,
    tasks: null,
  })
})

test('a list is filtered, newest first, and continues after the last of a page', async () => {
  await using store = await aStore()
  const jobs = await submitted(
    store,
    Array.from({ length: 5 }, () => aJob({ name: 'j', labels: { team: 'a' } })),
  )
  const [array = ''] = await submitted(store, [anArray({ project: 'other' })], aNow + 1)
  await store.apply([{ change: 'workload', id: jobs[0] ?? '', to: 'failed', reason: 'no' }])
  const ids = async (...asked: Parameters<typeof store.workloads.list>) =>
    (await store.workloads.list(...asked)).map(({ id }) => id)

  const newest = [array, ...jobs.toSorted().toReversed()]
  const first = await store.workloads.list({}, { size: 4 })
  assert.deepEqual(
    first.map(({ id }) => id),
    newest.slice(0, 4),
  )
  const last = first.at(-1)
  assert.ok(last)
  assert.deepEqual(await ids({}, { size: 4, after: last }), newest.slice(4))
  assert.deepEqual(await ids({ project: 'other' }, { size: 9 }), [array])
  assert.deepEqual(await ids({ kind: 'array' }, { size: 9 }), [array])
  assert.deepEqual(await ids({ states: ['failed'] }, { size: 9 }), [jobs[0]])
  assert.deepEqual(await ids({ states: ['queued'], name: 'j' }, { size: 9 }), jobs.slice(1).toSorted().toReversed())
  assert.equal((await ids({ label: ['team', 'a'] }, { size: 9 })).length, 5)
  assert.deepEqual(await ids({ label: ['team', 'b'] }, { size: 9 }), [])
})

test('a list shows where live leases are and what they cost', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aService({ replicas: 2 })])
  const placed = [aPlacing(id), aPlacing(id, { replica: 1 })]
  await held(store, placed)
  await store.apply(placed.map(({ attemptId }) => ({ change: 'attempt-ready', id: attemptId, ready: true })))
  const [row] = await store.workloads.list({}, { size: 1 })
  assert.deepEqual([row?.ready, row?.replicas, row?.sites, row?.priceMicros], [2, 2, ['local/west'], 7_200_000])
  const attempts = await store.workloads.attempts(id)
  assert.deepEqual(
    attempts.map(({ number, replica, lease, ranks }) => [number, replica, lease?.state, ranks.length]),
    [
      [1, 0, 'held', 1],
      [2, 1, 'held', 1],
    ],
  )
})

test('nothing takes back that a workload is to stop, and an ended one wants nothing', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const by = { who: 'me', now: aNow }
  assert.equal((await store.workloads.want(id, 'hold', by))?.wants, 'hold')
  assert.equal((await store.workloads.want(id, 'stop', by))?.wants, 'stop')
  assert.equal(await store.workloads.want(id, 'run', by), null)
  assert.equal((await store.workloads.get(id))?.wants, 'stop')
  await store.apply([{ change: 'workload', id, to: 'stopped', reason: '' }])
  assert.equal(await store.workloads.want(id, 'stop', by), null)
  assert.equal(await store.workloads.prioritise(id, 7, by), null)
})

test('the endpoints of a service are those of its ready replicas, and a service without one is told of too', async () => {
  await using store = await aStore()
  const [chat = ''] = await submitted(store, [aService({ name: 'chat' }), aService({ name: 'idle' }), aJob()])
  const placed = aPlacing(chat)
  await held(store, [placed])
  const report = { rank: 0, state: 'running' as const, address: '127.0.0.2', ready: true }
  const more = { endpoints: ['127.0.0.2:8000'], exit: null, startedAt: aNow, endedAt: null, waitMs: 0, seen: '' }
  await store.agents.report(placed.leaseId, { ...report, ...more }, aNow)
  await store.apply([
    { change: 'attempt', id: placed.attemptId, to: 'running', reason: '' },
    { change: 'attempt-ready', id: placed.attemptId, ready: true },
  ])
  assert.deepEqual(await store.workloads.endpoints(), [
    { project: 'default', name: 'chat', endpoints: ['127.0.0.2:8000'] },
    { project: 'default', name: 'idle', endpoints: [] },
  ])
})
