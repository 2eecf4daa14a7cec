import type { Instant } from '#kit/clock.ts'
import { succeed } from '#model/fault.ts'
import type { Provider, Sighting } from '#providers/provider.ts'

/**
 * Tells of all that runs at a provider that it has to leave, from the time on that `noticeAt` gives: as where nodes are
 * drained, gangs are told to end in good order and are placed anew elsewhere.
 */
export function withNotice(inner: Provider, noticeAt: () => Instant | null): Provider {
  const noticed = (sighting: Sighting): Sighting => {
    const at = noticeAt()
    if (at === null) return sighting
    const ranks = sighting.ranks.map((rank) => ({ ...rank, leavesAt: Math.min(rank.leavesAt ?? Infinity, at) }))
    return { ...sighting, ranks }
  }
  return {
    ...inner,
    async get(handle, signal) {
      const seen = await inner.get(handle, signal)
      return seen.ok && seen.value ? succeed(noticed(seen.value)) : seen
    },
    async list(site, signal) {
      const seen = await inner.list(site, signal)
      return seen.ok ? succeed(seen.value.map(noticed)) : seen
    },
  }
}
