import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from '#simulator/fake-clock.ts'
import { aStore } from '#rigs/postgres.ts'
import type { Store } from '#store/store.ts'
import { announce } from './announce.ts'

const failed = (error: unknown): void => assert.fail(String(error))

test(
  'a control plane hears at once of another that starts, though time stands still',
  { timeout: 10_000 },
  async () => {
    await using one = await aStore()
    await using two = await aStore({ url: one.url })
    const heard = Promise.withResolvers<void>()
    const using = { clock: createFakeClock(), failed, keepClaims: (keep: Store['claims']['keep']) => keep([]) }
    const first = await announce(
      { id: 'c-1', url: 'http://127.0.0.1:1' },
      { ...using, store: one, changed: () => heard.resolve() },
    )
    const second = await announce({ id: 'c-2', url: 'http://127.0.0.1:2' }, { ...using, store: two, changed: () => {} })
    await heard.promise
    assert.deepEqual(
      first.list().map(({ id }) => id),
      ['c-1', 'c-2'],
    )
    await Promise.all([first.stop(), second.stop()])
  },
)

test('every five seconds a control plane renews its claims and hears of the others by one statement', async () => {
  await using one = await aStore()
  await using two = await aStore({ url: one.url })
  const clock = createFakeClock()
  const claim = await one.claims.take('admit', 'c-1', 60)
  assert.ok(claim)
  const kept: number[] = []
  const renewed = Promise.withResolvers<void>()
  const first = await announce(
    { id: 'c-1', url: 'http://127.0.0.1:1' },
    {
      store: { claims: { ...one.claims, keep: () => assert.fail('another statement') }, onNudge: () => () => {} },
      clock,
      failed,
      changed: () => {},
      async keepClaims(keep) {
        kept.push((await keep([{ ...claim, seconds: 60 }])).length)
        renewed.resolve()
      },
    },
  )
  await two.claims.announce({ id: 'c-2', url: 'http://127.0.0.1:2' }, [])
  await clock.advance(4_999)
  assert.deepEqual(kept, [])
  await clock.advance(1)
  await renewed.promise
  assert.deepEqual(kept, [1])
  assert.deepEqual(
    first.list().map(({ id }) => id),
    ['c-1', 'c-2'],
  )
  await first.stop()
})
