import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import type { Plane, Store } from '#store/store.ts'

/** Control planes of one store, as far as they were heard. */
export type Peers = { list(): Plane[]; stop(): Promise<void> }

const everyMs = 5000

type Using = {
  store: Pick<Store, 'claims' | 'onNudge'>
  clock: Clock
  failed: (error: unknown) => void
  /** Others came or went. */
  changed: () => void
  /** Renews the claims of this control plane by one call of `keep`. */
  keepClaims: (keep: Store['claims']['keep']) => Promise<unknown>
}

/**
 * Says every few seconds that this control plane is alive and where, and keeps its claims by the same statement; and hears
 * of the others: of a new one at once, since agents that know only the others could not report should those die first.
 */
export async function announce(self: Plane, { store, clock, failed, changed, keepClaims }: Using): Promise<Peers> {
  let isStopping = false
  let { planes } = await store.claims.announce(self, [])
  let nudged = new Cancel()
  const deafen = store.onNudge((nudge) => nudge === 'planes' && nudged.cancel())
  const say: Store['claims']['keep'] = async (claims) => {
    const heard = await store.claims.announce(self, claims)
    planes = heard.planes
    return heard.kept
  }
  const running = (async () => {
    for (;;) {
      await clock.sleep(everyMs, nudged)
      if (isStopping) return
      if (nudged.aborted) nudged = new Cancel()
      const before = namesOf(planes)
      // Without the store the last list stands: agents go on with what they know.
      await keepClaims(say).catch(failed)
      if (namesOf(planes) !== before) changed()
    }
  })()
  const list = () => [self, ...planes.filter(({ id }) => id !== self.id)]
  return {
    list,
    async stop() {
      deafen()
      isStopping = true
      nudged.cancel()
      await running
      await store.claims.withdraw(self.id).catch(failed)
    },
  }
}

const namesOf = (planes: Plane[]): string => planes.map(({ id, url }) => `${id} ${url}`).join(' ')
