import { Cancel } from '#kit/cancel.ts'
import type { Clock } from '#kit/clock.ts'
import type { Store } from '#store/store.ts'

/** Control planes of one store, as far as they were heard. */
export type Peers = { list(): { id: string; url: string }[]; stop(): Promise<void> }

const everyMs = 5000

type Using = {
  store: Pick<Store, 'claims' | 'onNudge'>
  clock: Clock
  failed: (error: unknown) => void
  /** Others came or went. */
  changed: () => void
}

/**
 * Says every few seconds that this control plane is alive and where, and hears of the others: of a new one at once, since
 * agents that know only the others could not report should those die first.
 */
export async function announce(self: { id: string; url: string }, using: Using): Promise<Peers> {
  const { claims } = using.store
  let isStopping = false
  let peers = await claims.announce(self.id, self.url)
  let nudged = new Cancel()
  const deafen = using.store.onNudge((nudge) => nudge === 'planes' && nudged.cancel())
  const running = (async () => {
    for (;;) {
      await using.clock.sleep(everyMs, nudged)
      if (isStopping) return
      if (nudged.aborted) nudged = new Cancel()
      const before = namesOf(peers)
      // Without the store the last list stands: agents go on with what they know.
      peers = await claims.announce(self.id, self.url).catch((error: unknown) => {
        using.failed(error)
        return peers
      })
      if (namesOf(peers) !== before) using.changed()
    }
  })()
  const list = () => [self, ...peers.filter(({ id }) => id !== self.id)]
  return {
    list,
    async stop() {
      deafen()
      isStopping = true
      nudged.cancel()
      await running
      await claims.withdraw(self.id).catch(using.failed)
    },
  }
}

const namesOf = (peers: { id: string; url: string }[]): string => peers.map(({ id, url }) => `${id} ${url}`).join(' ')
