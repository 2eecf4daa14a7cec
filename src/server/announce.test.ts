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
