import type { Clock } from '#kit/clock.ts'
import type { Claims } from '#store/store.ts'

/** Control planes of one store, as far as they were heard. */
export type Peers = { list(): { id: string; url: string }[]; stop(): Promise<void> }

const everyMs = 2000

/** Says every few seconds that this control plane is alive and where, and hears of the others. */
export async function announce(
  self: { id: string; url: string },
  using: { claims: Claims; clock: Clock; failed: (error: unknown) => void },
): Promise<Peers> {
  const stop = new AbortController()
  let peers = await using.claims.announce(self.id, self.url)
  const running = (async () => {
    while (!stop.signal.aborted) {
      await using.clock.sleep(everyMs, stop.signal)
      if (stop.signal.aborted) return
      // Without the store the last list stands: agents go on with what they know.
      peers = await using.claims.announce(self.id, self.url).catch((error: unknown) => {
        using.failed(error)
        return peers
      })
    }
  })()
  const list = () => [self, ...peers.filter(({ id }) => id !== self.id)]
  return {
    list,
    async stop() {
      stop.abort()
      await running
      await using.claims.withdraw(self.id).catch(using.failed)
    },
  }
}
