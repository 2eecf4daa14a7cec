import { formatDuration } from '#kit/duration.ts'
import { formatMoney } from '#kit/money.ts'
import { spentAt } from './budget.ts'
import { siteOf, type WorkloadFacts } from './facts.ts'
import { startingLimit } from './judge.ts'
import { beginPatienceMs } from './patience.ts'
import { drawnAt, endOf } from './told.ts'

/** Why a workload must come to an end now, and as what. */
export type Ending = { as: 'stopped' | 'held' | 'failed'; reason: string; exitCode?: number }

/** What timeout(1) exits with. */
const timedOut = 124

/** The end that a person asked for, or that a limit of the spec demands; `null` while it may go on. */
export function endingOf(facts: WorkloadFacts, now: number): Ending | null {
  const { wants, state, reason } = facts.workload
  if (wants === 'stop') return { as: 'stopped', reason: 'stopped on request' }
  // By the clock of another control plane it may have been reached already: what ends for it does so by ours, too.
  const isReached = ({ at, ending }: Limit): boolean => now >= at || (state === 'stopping' && reason === ending.reason)
  const limit = limitsOf(facts, now).find((one) => isReached(one) && !(state === 'held' && one.ending.as === 'failed'))
  if (limit) return limit.ending
  // Released while it was still on its way down: it arrives first, and is queued from there.
  if (wants === 'hold' || state === 'stopping') return { as: 'held', reason: 'held on request' }
  return null
}

type Limit = { at: number; ending: Ending }

/** The limits and when they are reached, as far as that is known: the earlier in this list wins. */
export function limitsOf(facts: WorkloadFacts, now: number): Limit[] {
  const { workload, attempts } = facts
  const { expiry, duration, deadline, budget } = workload.spec
  const limits: Limit[] = []
  const [first] = attempts
  const endedAt = workload.kind === 'job' && first ? endOf(first) : Infinity
  // What had ended by itself before is judged by that; whether it may be tried again is a question of the next look.
  const timed = (at: number): number => (at < endedAt ? drawnAt(at, facts, now) : Math.max(at, now + 1))
  if (expiry !== undefined) {
    const reason = `expired ${formatDuration(expiry)} after it was submitted`
    limits.push({ at: timed(workload.createdAt + expiry), ending: { as: 'stopped', reason } })
  }
  // A job that waits again after a loss does not run meanwhile; the others run as long as any of their copies does.
  const since = workload.kind === 'job' ? (first?.startedAt ?? null) : workload.startedAt
  if (duration.maximumMs !== undefined && since !== null) {
    const reason = `ran longer than its maximum of ${formatDuration(duration.maximumMs)}`
    limits.push({ at: timed(since + duration.maximumMs), ending: { as: 'failed', reason, exitCode: timedOut } })
  }
  if (deadline !== undefined)
    limits.push({
      at: timed(deadline),
      ending: { as: 'failed', reason: 'did not end by its deadline', exitCode: timedOut },
    })
  if (budget?.whenUsed === 'stop') {
    const limit = BigInt(budget.limitMicros)
    const reason = `its budget of ${formatMoney(limit)} is used up`
    limits.push({ at: spentAt(facts, limit, now), ending: { as: 'stopped', reason } })
  }
  const { toldBy = -Infinity } = facts
  return [...limits, beginning(facts)].map(({ at, ending }) => ({ at: Math.max(at, toldBy), ending }))
}

/**
 * All ranks of an attempt are up and cannot begin: a secret that they need was removed, or is sealed with another key. They
 * ask again until somebody has put it right, but hold their nodes meanwhile, and not for ever.
 */
function beginning({ workload, attempts, sites }: WorkloadFacts): Limit {
  const waiting = attempts.filter(
    ({ state, ranks }) => state === 'starting' && ranks.length > 0 && ranks.every((rank) => rank.state === 'arrived'),
  )
  const { secrets } = workload.spec
  const why =
    secrets.length === 0
      ? ''
      : `: not all of its secrets can be opened (${secrets.join(', ')}): isobar secret list, then secret set what is missing, and submit it again`
  const reason = `its ranks were up and could not begin for ${formatDuration(beginPatienceMs)}${why}`
  const at = Math.min(
    ...waiting.map((attempt) => startingLimit(attempt, sites[siteOf(attempt.lease)]) + beginPatienceMs),
  )
  return { at, ending: { as: 'failed', reason, exitCode: 1 } }
}
