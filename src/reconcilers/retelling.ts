import type { Decision } from '#model/plan.ts'
import { memory } from './memory.ts'

/**
 * Who waits is told at once why, and at once when the cause is another, a start was promised or others are to leave. Within
 * a cause the reason names what is free and who is ahead, which changes with every round: that is told again after so long.
 */
const againMs = 2_000

/** … and where many wait so much later for each, so that a long queue is not told all the time; no later than so. */
const [laterMs, latestMs] = [10, 60_000]

type Told = { at: number; what: string; text: string }
const lately = memory(() => new Map<string, Told>())

export type Retelling = {
  /** The refusals that are to be told now. */
  news: Decision[]
  /** When the others have something new to be told of, if they do. */
  at: number | null
}

/**
 * Of all refusals of a round those that are to be told now: most of a long queue is refused again and again. A workload has
 * one refusal for all its replicas, which is gone when one of them is placed: so all that wait are told together.
 */
export function retelling(house: Parameters<typeof lately>[0], decisions: readonly Decision[], now: number): Retelling {
  const told = lately(house)
  const afterMs = Math.max(againMs, Math.min(latestMs, told.size * laterMs))
  for (const [key, { at }] of told) if (at + afterMs <= now) told.delete(key)
  const isNew = (one: Decision): boolean =>
    one.placement !== null ||
    one.preempts !== undefined ||
    one.lets !== undefined ||
    told.get(keyOf(one))?.what !== whatOf(one)
  const anew = new Set(decisions.filter(isNew).map(({ workload }) => workload))
  const news: Decision[] = []
  let soonest = Infinity
  for (const decision of decisions) {
    if (decision.placement !== null) continue
    const before = told.get(keyOf(decision))
    if (anew.has(decision.workload)) news.push(decision)
    else if (before && before.text !== decision.refusal?.text) soonest = Math.min(soonest, before.at + afterMs)
  }
  return { news, at: soonest < Infinity ? soonest : null }
}

/** These are written. */
export function noteTold(house: Parameters<typeof lately>[0], decisions: readonly Decision[], now: number): void {
  const told = lately(house)
  for (const decision of decisions)
    if (decision.placement !== null) told.delete(keyOf(decision))
    else told.set(keyOf(decision), { at: now, what: whatOf(decision), text: decision.refusal?.text ?? '' })
}

const keyOf = ({ workload, replica }: Decision): string => `${workload} ${replica}`

const whatOf = ({ refusal }: Decision): string =>
  `${refusal?.cause} ${refusal?.start ? `${refusal.start.site} ${refusal.start.offer} ${refusal.start.order}` : ''}`
