/** Says whether one more request of somebody is within their share. */
export type Allowance = { take(who: string, now: number): boolean }

/** Of so many somebodies the shares are remembered; beyond, the longest unused are forgotten. */
const mostRemembered = 50_000

/** A token bucket each: `burst` at once, refilled by `perSecond`. */
export function createAllowance({ perSecond, burst }: { perSecond: number; burst: number }): Allowance {
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    take(who, now) {
      const { left, at } = buckets.get(who) ?? { left: burst, at: now }
      const filled = Math.min(burst, left + (Math.max(0, now - at) / 1000) * perSecond)
      buckets.delete(who) // so that the map stays in the order of use
      buckets.set(who, { left: filled >= 1 ? filled - 1 : filled, at: now })
      if (buckets.size > mostRemembered) buckets.delete(buckets.keys().next().value ?? '')
      return filled >= 1
    },
  }
}
