import type { Asked } from '#engine/placement/facts.ts'
import type { Decision } from '#model/plan.ts'
import type { QueueSnapshot } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/**
 * Needs that were refused when they were read last, and how many of each are read. Who has the same need as one that was
 * refused would be refused as well, so of these only the first few are read again: however long the line of those who
 * find no room is, it is no longer to read than what they want is manifold. Where all that was read of one is placed,
 * more of it is read at once.
 *
 * Of very many needs half of a round goes to the most urgent and half to those that were read the longest ago. So whatever
 * changes, each need is asked again after so many rounds, at the latest, as it takes to read all of them in halves.
 */
const memories = memory(() => ({
  /** Those that were read the longest ago first. */
  needs: new Map<string, Need>(),
  /** Those of them that are read in this round. */
  read: new Set<string>(),
  after: '',
  turnAt: Number.NEGATIVE_INFINITY,
}))

type Need = { depth: number; priority: number; createdAt: number }

/** … of very many needs even fewer of each. */
const shallowOf = (needs: number): number => Math.max(2, Math.min(8, Math.floor(mostDeep / (needs + 1))))

/** Of which much was wanted of late much may be wanted again: it is read less deep by so much a round. */
const fade = 7 / 8

/** No need is read deeper than so; of few needs each, so that all of them together are so many. */
const [deepest, mostDeep] = [16, 1_024]
const deepestOf = (needs: number): number => Math.max(deepest, Math.floor(mostDeep / (needs + 1)))

/** So many needs that sleep are read in one round, as the store reads no more of them together. */
export const needsAtMost = 4_000

/** Some of those further behind are read again so often, so that what they are told stays true. */
const turnMs = 5_000

/** What of the queue is to be read in this round; of a need that sleeps and is not to be read, none. */
export function toRead(house: House, now: number): { asleep: Map<string, number>; after: string | null } {
  const kept = memories(house)
  const { needs, after, turnAt } = kept
  kept.read = inThisRound(needs)
  const asleep = new Map([...needs].map(([need, { depth }]) => [need, kept.read.has(need) ? depth : 0]))
  return { asleep, after: now < turnAt ? null : after }
}

function inThisRound(needs: ReadonlyMap<string, Need>): Set<string> {
  if (needs.size <= needsAtMost) return new Set(needs.keys())
  const urgent = [...needs].sort(([, a], [, b]) => b.priority - a.priority || a.createdAt - b.createdAt)
  const chosen = new Set(urgent.slice(0, needsAtMost / 2).map(([need]) => need))
  for (const need of needs.keys()) {
    if (chosen.size === needsAtMost) break
    chosen.add(need)
  }
  return chosen
}

const deeper = (need: Need, needs: number): Need => ({ ...need, depth: Math.min(deepestOf(needs), need.depth * 8) })

/** What a round has found that went on: of some needs all that was read is placed, and some who came were refused. */
export function noteNews(
  house: House,
  { ranOut, refused }: { ranOut: readonly string[]; refused: readonly Asked[] },
): void {
  const { needs } = memories(house)
  for (const need of ranOut) {
    const known = needs.get(need)
    if (known) needs.set(need, deeper(known, needs.size))
  }
  for (const { need, workload } of refused)
    if (need !== undefined && !needs.has(need)) needs.set(need, sleeper(workload, shallowOf(needs.size)))
}

const sleeper = ({ priority, createdAt }: Asked['workload'], depth: number): Need => ({ depth, priority, createdAt })

type Round = { snapshot: QueueSnapshot; decisions: Decision[]; more: boolean; now: number }

/**
 * Remembers what a round has found; `more`: not all that was read was decided. Whether more is to be read at once: not
 * all of a need was, and all that was has found room.
 */
export function noteRound(house: House, { snapshot, decisions, more, now }: Round): boolean {
  const kept = memories(house)
  const asked = new Map(snapshot.waiting.map((one) => [`${one.workload.id} ${one.replica.replica}`, one]))
  const needOf = ({ workload, replica }: Decision): string => asked.get(`${workload} ${replica}`)?.need ?? ''
  const placed = new Set(decisions.filter(({ placement }) => placement !== null).map(needOf))
  const refused = new Map<string, Need>()
  for (const { workload, replica, placement, repair, lets } of decisions) {
    const one = asked.get(`${workload} ${replica}`)
    // Who comes back to its nodes, or lets them go, says nothing of what others of its need find.
    if (!one || placement !== null || repair || lets || refused.has(one.need)) continue
    refused.set(one.need, sleeper(one.workload, Math.floor((kept.needs.get(one.need)?.depth ?? 0) * fade)))
  }
  const next = new Map<string, Need>()
  let isCut = false
  for (const [need, known] of kept.needs) {
    if (refused.has(need)) continue
    if (!placed.has(need)) {
      // It was not read, or the round was over before it; else nobody waits for it any more.
      if (more || !kept.read.has(need)) next.set(need, known)
    } else if (snapshot.unread.has(need)) {
      next.set(need, deeper(known, kept.needs.size))
      isCut = true
    }
  }
  const size = next.size + refused.size
  for (const [need, known] of refused)
    next.set(need, { ...known, depth: Math.min(deepestOf(size), Math.max(shallowOf(size), known.depth)) })
  kept.needs = next
  if (now < kept.turnAt) return isCut
  kept.after = snapshot.after
  kept.turnAt = now + turnMs
  return isCut
}
