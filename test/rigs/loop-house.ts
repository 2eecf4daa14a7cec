import type { Clock } from '#kit/clock.ts'
import type { Provider } from '#providers/provider.ts'
import type { House } from '#reconcilers/reconciler.ts'
import type { Store } from '#store/store.ts'
import { someIds } from './postgres.ts'

/** A house whose loops a test turns by hand; nobody's logs are kept. */
export const aLoopHouse = (store: Store, provider: Provider, clock: Clock): House => ({
  store,
  providers: new Map([[provider.name, provider]]),
  clock,
  ids: someIds,
  holder: 'c-1',
  controlPlanes: () => [],
  credential: (token) => token,
  archive: { kept: async () => ({ bytes: 0, end: 0 }), add: async () => {} },
})
