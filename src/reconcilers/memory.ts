import type { House } from './reconciler.ts'

/**
 * What a loop remembers between its turns, for each house of this process apart. Nothing that matters: it may be
 * forgotten at any time, as it is with every restart.
 */
export function memory<T>(create: (house: House) => T): (house: House) => T {
  const kept = new WeakMap<House, T>()
  return (house) => {
    const before = kept.get(house)
    if (before !== undefined) return before
    const fresh = create(house)
    kept.set(house, fresh)
    return fresh
  }
}

/** A house that follows nothing for so long stood still, or was asleep with its machine. */
const stillMs = 60_000

const listening = memory(({ clock }) => ({ since: clock.now(), at: clock.now() }))

/**
 * Since when this house listens to agents. One that was not heard while nobody listened has not been silent: after a
 * restart all get the time to report, and so they do after it stood still.
 */
export function listeningSince(house: House): number {
  const [known, now] = [listening(house), house.clock.now()]
  if (now > known.at + stillMs) known.since = now
  known.at = now
  return known.since
}

export const heardAtLeast = (heardAt: number | null, since: number): number | null =>
  heardAt === null ? null : Math.max(heardAt, since)
