import type { Decision } from '#model/plan.ts'
import type { QueueSnapshot } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/**
 * Needs that were refused in the last round, and how many of each are read. Who has the same need as one that was
 * refused would be refused as well, so of these only the first few are read again: however long the line of those who
 * find no room is, it is no longer to read than what they want is manifold. Where all that was read of one is placed,
 * more of it is read at once.
 */
const memories = memory(() => ({ needs: new Map<string, number>(), after: '', turnAt: Number.NEGATIVE_INFINITY }))

const [shallow, deepest] = [8, 4_096]

/** Some of those further behind are read again so often, so that what they are told stays true. */
const turnMs = 1_000

/** What of the queue is to be read in this round. */
export function toRead(house: House, now: number): { asleep: Map<string, number>; after: string | null } {
  const { needs, after, turnAt } = memories(house)
  return { asleep: needs, after: now < turnAt ? null : after }
}

type Round = { snapshot: QueueSnapshot; decisions: Decision[]; more: boolean; now: number }

/**
 * Remembers what a round has found; `more`: not all that was read was decided. Whether more is to be read at once: not
 * all of a need was, and all that was has found room.
 */
export function noteRound(house: House, { snapshot, decisions, more, now }: Round): boolean {
  const kept = memories(house)
  const needs = new Map(
    snapshot.waiting.map(({ workload, replica, need }) => [`${workload.id} ${replica.replica}`, need]),
  )
  const needOf = ({ workload, replica }: Decision): string => needs.get(`${workload} ${replica}`) ?? ''
  const refused = new Set(decisions.filter(({ placement }) => placement === null).map(needOf))
  const placed = new Set(decisions.filter(({ placement }) => placement !== null).map(needOf))
  const next = new Map([...refused].map((need) => [need, shallow]))
  let isCut = false
  for (const [need, depth] of kept.needs) {
    if (refused.has(need)) continue
    if (!placed.has(need)) {
      if (more) next.set(need, depth)
    } else if (snapshot.unread.has(need)) {
      next.set(need, Math.min(deepest, depth * 8))
      isCut = true
    }
  }
  kept.needs = next
  if (now < kept.turnAt) return isCut
  kept.after = snapshot.after
  kept.turnAt = now + turnMs
  return isCut
}
