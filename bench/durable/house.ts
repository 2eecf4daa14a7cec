import { createClock } from '#kit/clock.ts'
import type { House } from '#reconcilers/reconciler.ts'
import { someIds } from '#rigs/postgres.ts'
import type { Store } from '#store/store.ts'

const dies = () => Promise.reject(new Error('nothing is archived here'))

/** A house of which only the queue is of interest: nobody launches, and nothing is archived. */
export const aHouseThatAdmits = (store: Store): House => ({
  store,
  providers: new Map(),
  clock: createClock(),
  ids: someIds,
  holder: 'bench',
  controlPlanes: () => [],
  credential: () => '',
  archive: { kept: dies, add: dies },
})
