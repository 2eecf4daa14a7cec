/** What may be so for a while, and for how long it may. */
export type Passing = { key: string; isAble: boolean; mostMs: number }

/**
 * Tells what has been so at every look for longer than it may. Only time in which the house could have changed it
 * counts, and begins anew after any in which it could not.
 */
export function createPatience(): (now: number, passing: Iterable<Passing>) => Set<string> {
  let since = new Map<string, number>()
  return (now, passing) => {
    const next = new Map<string, number>()
    const overdue = new Set<string>()
    for (const { key, isAble, mostMs } of passing) {
      const from = isAble ? (since.get(key) ?? now) : now
      next.set(key, from)
      if (now - from > mostMs) overdue.add(key)
    }
    since = next
    return overdue
  }
}
