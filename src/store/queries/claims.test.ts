import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aNow } from '#test/builders.ts'

test('one of many gets a claim, renews it as the same, and the next one has a higher epoch', async () => {
  await using store = await aStore()
  const claims = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => store.claims.take('admit', holder, 60)))
  const mine = claims.find((claim) => claim !== null)
  assert.ok(mine)
  assert.equal(claims.filter((claim) => claim !== null).length, 1)
  assert.deepEqual(await store.claims.take('admit', mine.holder, 60), mine)
  await store.claims.release(mine)
  const next = await store.claims.take('admit', 'next', 0)
  assert.ok(next && next.epoch > mine.epoch)
  const after = await store.claims.take('admit', 'after', 60) // the one before ran out at once
  assert.ok(after && after.epoch > next.epoch)
  await store.claims.release(next)
  assert.equal(await store.claims.take('admit', 'late', 60), null, 'a void claim releases nothing')
})

test('a claim that ran out is not the same when its holder takes it again', async () => {
  await using store = await aStore()
  const before = await store.claims.take('admit', 'me', 0)
  const after = await store.claims.take('admit', 'me', 60)
  assert.notEqual(before?.epoch, after?.epoch)
})

test("claims are renewed together, but for those that have run out or are somebody else's", async () => {
  await using store = await aStore()
  const mine = await store.claims.take('admit', 'me', 60)
  const over = await store.claims.take('sweep', 'me', 0)
  const theirs = await store.claims.take('observe', 'they', 60)
  assert.ok(mine && over && theirs)
  const asked = [mine, over, { ...theirs, holder: 'me' }, { ...mine, epoch: mine.epoch + 1 }]
  assert.deepEqual(await store.claims.keep(asked.map((claim) => ({ ...claim, seconds: 60 }))), [mine])
  assert.deepEqual(await store.claims.keep([{ ...mine, seconds: 0 }]), [mine])
  assert.deepEqual(await store.claims.keep([{ ...mine, seconds: 60 }]), [], 'it has run out')
})

test('control planes know of each other until they withdraw', async () => {
  await using store = await aStore()
  const [one, two] = [
    { id: 'one', url: 'http://127.0.0.1:1' },
    { id: 'two', url: 'http://127.0.0.1:2' },
  ]
  assert.deepEqual(await store.claims.announce(one, []), { planes: [one], kept: [] })
  assert.deepEqual((await store.claims.announce(two, [])).planes, [one, two])
  await store.claims.withdraw('one')
  assert.deepEqual((await store.claims.announce(two, [])).planes, [two])
})

test('who says that it is alive renews its claims by that, but for those that it does not have any more', async () => {
  await using store = await aStore()
  const self = { id: 'me', url: 'http://127.0.0.1:1' }
  const mine = await store.claims.take('admit', 'me', 60)
  const over = await store.claims.take('sweep', 'me', 0)
  assert.ok(mine && over)
  const seconds = 0
  const { kept } = await store.claims.announce(self, [
    { ...mine, seconds },
    { ...over, seconds },
  ])
  assert.deepEqual(kept, [mine])
  const { kept: none } = await store.claims.announce(self, [{ ...mine, seconds: 60 }])
  assert.deepEqual(none, [], 'it was kept for no time')
})

test('who withdraws leaves its claims to others at once, and theirs to them', async () => {
  await using store = await aStore()
  const mine = await store.claims.take('admit', 'one', 60)
  const theirs = await store.claims.take('sweep', 'two', 60)
  assert.equal(await store.claims.take('admit', 'two', 60), null)
  await store.claims.withdraw('one')
  const next = await store.claims.take('admit', 'two', 60)
  assert.ok(mine && next && next.epoch > mine.epoch)
  assert.equal(await store.claims.take('sweep', 'three', 60), null)
  assert.deepEqual(await store.claims.take('sweep', 'two', 60), theirs)
})

test('a repeated request gets the first answer, and another body is told so', async () => {
  await using store = await aStore()
  const { begin, save, forget } = store.idempotency
  assert.equal(await begin('k', 'hash', aNow), 'new')
  assert.equal(await begin('k', 'hash', aNow + 1), 'running')
  assert.equal(await begin('k', 'other', aNow + 1), 'mismatch')
  await save('k', 201, { id: 'w-1' })
  assert.deepEqual(await begin('k', 'hash', aNow + 2), { status: 201, response: { id: 'w-1' } })
  await forget('k')
  assert.equal(await begin('k', 'hash', aNow + 3), 'new')
  assert.equal(await begin('k', 'hash', aNow + 60_004), 'new', 'its control plane died')
})

test('answers are kept for a day', async () => {
  await using store = await aStore()
  await store.idempotency.begin('old', 'hash', aNow)
  await store.idempotency.begin('new', 'hash', aNow + 2)
  await store.prune({ now: aNow + 86_400_001, endedMs: 1 })
  assert.equal(await store.idempotency.begin('old', 'another', aNow + 3), 'new')
  assert.equal(await store.idempotency.begin('new', 'another', aNow + 3), 'mismatch')
})
