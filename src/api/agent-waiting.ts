import type { Clock } from '#kit/clock.ts'

/** An agent that waits for news: which rank it is, what it knows, and whether it could take tasks. */
type Waiting = { rank: number; seen: string; tasks: boolean }

/** Agents that wait, by lease. */
export type WaitingRoom = {
  leases(): string[]
  /** All that wait now. */
  ranks(): { lease: string; rank: number }[]
  /** Resolves when it is woken, after so long, or when the signal aborts. */
  wait(lease: string, facts: Waiting, limit: { mostMs: number; signal: AbortSignal }): Promise<void>
  /** Wakes those of a lease for whom `version` is news, and those who could take tasks. */
  tell(lease: string, version: string): void
  wakeAll(): void
}

export function createWaitingRoom(clock: Clock): WaitingRoom {
  const rooms = new Map<string, Set<Waiting & { wake: () => void }>>()
  return {
    leases: () => [...rooms.keys()],
    ranks: () => [...rooms].flatMap(([lease, room]) => [...room].map(({ rank }) => ({ lease, rank }))),
    wait: (lease, facts, { mostMs, signal }) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve()
        const room = rooms.get(lease) ?? new Set()
        const over = new AbortController()
        const wake = () => {
          over.abort('over')
          signal.removeEventListener('abort', wake)
          room.delete(one)
          if (room.size === 0 && rooms.get(lease) === room) rooms.delete(lease)
          resolve()
        }
        const one = { ...facts, wake }
        signal.addEventListener('abort', wake, { once: true })
        rooms.set(lease, room.add(one))
        void clock.sleep(mostMs, over.signal).then(wake)
      }),
    tell(lease, version) {
      for (const { seen, tasks, wake } of new Set(rooms.get(lease))) if (tasks || seen !== version) wake()
    },
    wakeAll() {
      for (const room of rooms.values()) for (const { wake } of new Set(room)) wake()
    },
  }
}
