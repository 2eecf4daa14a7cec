import { setTimeout as pause } from 'node:timers/promises'

import { type Clock, createClock } from '#kit/clock.ts'
import type { House } from '#reconcilers/reconciler.ts'
import type { Store } from '#store/store.ts'
import { someIds } from './postgres.ts'

const dies = () => Promise.reject(new Error('nothing is archived here'))

/** A house of which only the queue is of interest: nobody launches, and nothing is archived. */
export const aHouseThatAdmits = (store: Store, clock: Clock = createClock()): House => ({
  store,
  providers: new Map(),
  clock,
  ids: someIds,
  holder: 'a',
  controlPlanes: () => [],
  credential: () => '',
  archive: { kept: dies, add: dies },
})

/** Writes, and waits until admission hears that anything may have changed; throws where it does not within seconds. */
export async function hearing(store: Store, write: () => Promise<unknown>): Promise<void> {
  const heard = Promise.withResolvers<void>()
  const waiting = new AbortController()
  const off = store.onNudge((nudge) => nudge === 'admit' && heard.resolve())
  const late = pause(5_000, undefined, { signal: waiting.signal }).then(() => {
    throw new Error('admission heard of nothing')
  })
  late.catch(() => {}) // it was heard
  await write()
  await Promise.race([heard.promise, late]).finally(() => {
    waiting.abort()
    off()
  })
}
