import type { Nudge, Store } from '#store/store.ts'

/** Wakes those who wait for news of the store. */
export type Bell = {
  /** Resolves at the next nudge of one of these kinds, after `mostMs`, or when the signal aborts. Never rejects. */
  wait(nudges: readonly Nudge[], mostMs: number, signal: AbortSignal): Promise<void>
  /** Calls back at each ring, until the returned function is called. */
  onRing(nudge: Nudge, listen: () => void): () => void
  close(): void
}

/** Rings so often at the most: a burst of commits wakes the waiting once, not once for each commit. */
const gapMs = 15

export function createBell(store: Pick<Store, 'onNudge'>): Bell {
  const listeners = new Map<Nudge, Set<() => void>>()
  const rungAt = new Map<Nudge, number>()
  const timers = new Map<Nudge, NodeJS.Timeout>()

  const ring = (nudge: Nudge) => {
    timers.delete(nudge)
    rungAt.set(nudge, performance.now())
    for (const listen of new Set(listeners.get(nudge))) listen() // a listener may take itself off
  }
  const nudged = (nudge: Nudge) => {
    if (timers.has(nudge)) return
    const wait = (rungAt.get(nudge) ?? -gapMs) + gapMs - performance.now()
    timers.set(
      nudge,
      setTimeout(() => ring(nudge), Math.max(0, wait)),
    )
  }
  const onRing = (nudge: Nudge, listen: () => void) => {
    const those = listeners.get(nudge) ?? new Set()
    listeners.set(nudge, those.add(listen))
    return () => void those.delete(listen)
  }
  const unlisten = store.onNudge(nudged)

  return {
    onRing,
    wait: (nudges, mostMs, signal) =>
      new Promise((resolve) => {
        if (signal.aborted || mostMs <= 0) return resolve()
        const done = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          for (const off of offs) off()
          resolve()
        }
        const offs = nudges.map((nudge) => onRing(nudge, done))
        const timer = setTimeout(done, mostMs)
        signal.addEventListener('abort', done, { once: true })
      }),
    close() {
      unlisten()
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
