import type { Clock } from '#kit/clock.ts'
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

export function createBell(store: Pick<Store, 'onNudge'>, clock: Clock): Bell {
  const listeners = new Map<Nudge, Set<() => void>>()
  const rungAt = new Map<Nudge, number>()
  const waiting = new Set<Nudge>()
  const closed = new AbortController()

  const ring = (nudge: Nudge) => {
    waiting.delete(nudge)
    if (closed.signal.aborted) return
    rungAt.set(nudge, clock.now())
    for (const listen of new Set(listeners.get(nudge))) listen() // a listener may take itself off
  }
  const nudged = (nudge: Nudge) => {
    if (waiting.has(nudge)) return
    waiting.add(nudge)
    const wait = (rungAt.get(nudge) ?? -Infinity) + gapMs - clock.now()
    void clock.sleep(Math.max(0, wait), closed.signal).then(() => ring(nudge))
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
        const over = new AbortController()
        const end = () => {
          over.abort('over')
          signal.removeEventListener('abort', end)
          for (const off of offs) off()
          resolve()
        }
        const offs = nudges.map((nudge) => onRing(nudge, end))
        signal.addEventListener('abort', end, { once: true })
        void clock.sleep(mostMs, over.signal).then(end)
      }),
    close() {
      unlisten()
      closed.abort()
    },
  }
}
