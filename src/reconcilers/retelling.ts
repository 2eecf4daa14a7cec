import type { Decision } from '#model/plan.ts'
import { memory } from './memory.ts'

/**
 * Who waits is told at once why, and at once when the cause is another, a start was promised or others are to leave. Within
 * a cause the reason names what is free, who is ahead and what was spent, which changes with every round, and of some with
 * every second: that is told again after so long, and each time after twice as long as before, up to the latest; to all
 * who have waited about as long for it at one time.
 */
const [againMs, latestMs] = [2_000, 300_000]

/** … and where many wait so much later for each, so that a long queue is not told all the time; no later than so. */
const [laterMs, mostMs] = [10, 60_000]

type Told = { at: number; what: string; text: string; againMs: number }
/** By workload and replica; those who were told long ago are forgotten now and then. */
const lately = memory(() => ({ told: new Map() as AllTold, forgotAt: 0 }))

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
  const kept = lately(house)
  const { told } = kept
  if (now >= kept.forgotAt + latestMs) {
    kept.forgotAt = now
    forgetBefore(told, now - 2 * latestMs)
  }
  const leastMs = Math.min(mostMs, told.size * laterMs)
  const dueAt = ({ at, againMs: own }: Told): number => {
    const afterMs = Math.max(leastMs, own)
    return Math.ceil((at + afterMs / 2) / afterMs) * afterMs
  }
  const before = (one: Decision): Told | undefined => lastOf(told, one, now)
  const isNew = (one: Decision): boolean => {
    const last = before(one)
    if (one.placement !== null || one.preempts !== undefined || one.lets !== undefined) return true
    return last?.what !== whatOf(one) || (last.text !== one.refusal?.text && dueAt(last) <= now)
  }
  const anew = new Set(decisions.filter(isNew).map(({ workload }) => workload))
  const news: Decision[] = []
  let soonest = Infinity
  for (const decision of decisions) {
    if (decision.placement !== null) continue
    const last = before(decision)
    if (anew.has(decision.workload)) news.push(decision)
    else if (last && last.text !== decision.refusal?.text) soonest = Math.min(soonest, dueAt(last))
  }
  return { news, at: soonest < Infinity ? soonest : null }
}

type AllTold = Map<string, Map<number, Told>>

/** What was told long ago counts for nothing: somebody else may have told them otherwise meanwhile. */
function lastOf(told: AllTold, { workload, replica }: Decision, now: number): Told | undefined {
  const last = told.get(workload)?.get(replica)
  return last && last.at > now - 2 * latestMs ? last : undefined
}

function forgetBefore(told: AllTold, earliest: number): void {
  for (const [workload, its] of told) {
    for (const [replica, { at }] of its) if (at <= earliest) its.delete(replica)
    if (its.size === 0) told.delete(workload)
  }
}

/** These are written: whoever is placed takes the refusal of its workload away, for all that still wait. */
export function noteTold(house: Parameters<typeof lately>[0], decisions: readonly Decision[], now: number): void {
  const { told } = lately(house)
  for (const { workload, placement } of decisions) if (placement !== null) told.delete(workload)
  for (const decision of decisions) {
    if (decision.placement !== null) continue
    const { workload, replica, refusal } = decision
    const its = told.get(workload) ?? new Map<number, Told>()
    told.set(workload, its)
    const [before, what] = [lastOf(told, decision, now), whatOf(decision)]
    const again = before?.what === what ? Math.min(latestMs, before.againMs * 2) : againMs
    its.set(replica, { at: now, what, text: refusal?.text ?? '', againMs: again })
  }
}

const whatOf = ({ refusal }: Decision): string =>
  `${refusal?.cause} ${refusal?.start ? `${refusal.start.site} ${refusal.start.offer} ${refusal.start.order}` : ''}`
