import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, submitted } from '#rigs/story.ts'
import { aJob, aNow } from '#test/builders.ts'

const asked = { kind: 'launch', now: aNow, most: 7, seconds: 60 } as const

test('two control planes claim different operations, with all that a launch needs', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  const ids = await submitted(
    store,
    Array.from({ length: 28 }, () => aJob()),
  )
  await store.placement.commit(
    await aClaim(store),
    ids.map((id) => aPlacing(id)),
    [],
    aNow,
  )
  const claimed = await Promise.all(
    [store, other, store, other].map(({ operations }, i) => operations.claim({ ...asked, holder: `plane-${i}` })),
  )
  const all = claimed.flat()
  assert.equal(new Set(all.map(({ id }) => id)).size, 28)
  assert.deepEqual(await store.operations.claim({ ...asked, holder: 'late' }), [])
  const [one] = all
  assert.deepEqual(
    [one?.leaseRow.id, one?.leaseRow.shape, one?.leaseRow.graceMs, one?.attempt.number, one?.tries, one?.site],
    [one?.token, '16cpu', 30_000, 1, 1, 'local/west'],
  )
})

test('a claim that ran out is taken by another, and the first one settles nothing', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await store.placement.commit(await aClaim(store), [placed], [], aNow)
  await store.operations.claim({ ...asked, holder: 'first', seconds: 0 })
  const [again] = await store.operations.claim({ ...asked, holder: 'second' })
  assert.equal(again?.tries, 2)
  const operation = placed.operationId
  const done = { state: 'done', detail: '' } as const
  const starting = [{ change: 'lease', id: placed.leaseId, to: 'starting' }] as const
  assert.equal(await store.operations.settle({ id: operation, holder: 'first', tries: 1 }, done, [...starting]), false)
  assert.equal((await store.workloads.attempts(id))[0]?.lease?.state, 'wanted')
  assert.equal(await store.operations.settle({ id: operation, holder: 'second', tries: 1 }, done, []), false)
  assert.equal(await store.operations.settle({ id: operation, holder: 'second', tries: 2 }, done, [...starting]), true)
  assert.equal((await store.workloads.attempts(id))[0]?.lease?.state, 'starting')
})

test('an operation that is to be tried again is left alone until then', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  await store.placement.commit(await aClaim(store), [aPlacing(id)], [], aNow)
  const [operation] = await store.operations.claim({ ...asked, holder: 'me' })
  const later = { state: 'intended', retryAt: aNow + 500, detail: 'throttled' } as const
  assert.equal(await store.operations.settle({ id: operation?.id ?? '', holder: 'me', tries: 1 }, later, []), true)
  assert.deepEqual(await store.operations.claim({ ...asked, holder: 'me', now: aNow + 499 }), [])
  const [again] = await store.operations.claim({ ...asked, holder: 'me', now: aNow + 500 })
  assert.deepEqual([again?.tries, again?.detail], [2, 'throttled'])
})

test('when to look again: an open operation is due at its time, or when its claim runs out, and one that is over never', async () => {
  await using store = await aStore()
  const next = () => store.operations.nextAt('launch', aNow)
  assert.equal(await next(), null)
  const [id = ''] = await submitted(store, [aJob()])
  await store.placement.commit(await aClaim(store), [aPlacing(id)], [], aNow)
  assert.ok(((await next()) ?? Infinity) <= aNow)
  const [operation] = await store.operations.claim({ ...asked, holder: 'me', seconds: 30 })
  const left = ((await next()) ?? 0) - aNow
  assert.ok(left > 25_000 && left <= 30_000, String(left))
  assert.equal(await store.operations.nextAt('retire', aNow), null)
  const mine = { id: operation?.id ?? '', holder: 'me', tries: 1 }
  await store.operations.settle(mine, { state: 'intended', retryAt: aNow + 700, detail: '' }, [])
  assert.equal(await next(), aNow + 700)
  const [again] = await store.operations.claim({ ...asked, now: aNow + 700, holder: 'me' })
  await store.operations.settle({ ...mine, tries: again?.tries ?? 0 }, { state: 'done', detail: '' }, [])
  assert.equal(await next(), null)
})
