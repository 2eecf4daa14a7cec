import { backoffMs } from '#kit/backoff.ts'
import type { Kept, Replica } from '#model/replica.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import type { Workload } from '#model/workload.ts'
import { allTasksEnded, siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import type { Verdict } from './judge.ts'
import { avoiding } from './patience.ts'

/** What follows for a replica once its attempt is over. */
export type NextTry =
  | { next: 'done' }
  | ({ next: 'waits'; reason: string } & Waits)
  /** The whole workload has failed with it. */
  | { next: 'give-up'; reason: string; exitCode: number }

type Waits = Pick<Replica, 'losses' | 'failures' | 'notBefore' | 'avoid'> & { kept?: Kept }

/** An attempt with what has become of it, and what follows for its replica. */
export type Judged = { attempt: LiveAttempt; verdict: Verdict; next: NextTry | null }

type Ended = { attempt: LiveAttempt; verdict: Extract<Verdict, { is: 'over' }>; replica: Replica }

/** An attempt that lived so long is a success of its kind: what came before no longer counts for backoff. */
const settledMs = 600_000
const backoff = { firstMs: 1_000, mostMs: 300_000 }
/** Losses up to this many are tried again at once. */
const freeLosses = 3

/** Whether, when and how a replica is tried again. */
export function nextTry(ended: Ended, facts: WorkloadFacts, now: number): NextTry {
  if (allTasksEnded(facts)) return { next: 'done' }
  switch (ended.verdict.state) {
    case 'succeeded':
      return facts.workload.kind === 'service' ? restart(ended, now) : { next: 'done' }
    case 'failed':
      return facts.workload.kind === 'service' ? restart(ended, now) : afterFailure(ended, facts, now)
    case 'lost':
      return afterLoss(ended, facts, now)
    case 'refused': // nothing ran, so nothing counts: another site gets it
      return {
        next: 'waits',
        ...again(ended, now),
        avoid: avoiding(ended.replica.avoid, siteOf(ended.attempt.lease), now),
      }
    case 'stopped': // in good order, before its site took it away: that is a loss of its kind
      return ended.verdict.lost ? afterLoss(ended, facts, now) : { next: 'waits', ...again(ended, now) }
  }
}

function restart(ended: Ended, now: number): NextTry {
  const failures = (livedLong(ended.attempt, now) ? 0 : ended.replica.failures) + 1
  return { next: 'waits', ...again(ended, now), failures, notBefore: now + pause(ended.attempt, failures) }
}

function afterFailure(ended: Ended, { workload }: WorkloadFacts, now: number): NextTry {
  const { onExit, times } = workload.spec.retry
  const { reason, exitCode = 255 } = ended.verdict
  const failures = ended.replica.failures + 1
  if (!onExit.includes(exitCode)) return { next: 'give-up', exitCode, reason }
  if (failures > times)
    return { next: 'give-up', exitCode, reason: `${reason}, after ${times === 1 ? '1 retry' : `${times} retries`}` }
  return { next: 'waits', ...again(ended, now), failures, notBefore: now + pause(ended.attempt, failures) }
}

function afterLoss(ended: Ended, { workload }: WorkloadFacts, now: number): NextTry {
  const { onLoss } = workload.spec.retry
  const losses = ended.replica.losses + 1
  // A service is meant to be there: it is never given up because of what its sites do.
  if (losses > onLoss && workload.kind !== 'service')
    return {
      next: 'give-up',
      exitCode: 1,
      reason: `${ended.verdict.reason}; lost ${losses === 1 ? 'once' : `${losses} times`}, and retry.onLoss is ${onLoss}`,
    }
  const often = losses > freeLosses && !livedLong(ended.attempt, now)
  const notBefore = often ? now + pause(ended.attempt, losses - freeLosses) : now
  const flapping = often || ended.verdict.fence
  const avoid = flapping ? avoiding(ended.replica.avoid, siteOf(ended.attempt.lease), now) : ended.replica.avoid
  const kept = flapping ? null : keptOf(ended, workload)
  return { next: 'waits', ...again(ended, now), losses, notBefore, avoid, ...(kept && { kept }) }
}

/**
 * What a gang keeps that lost some of its nodes: the others, as long as the engine chose them, and its spare ones. What
 * has parts of accelerators keeps none, nor who may have to go on where nobody takes nodes away.
 */
function keptOf({ attempt: { lease }, verdict: { lost = [] } }: Ended, { spec }: Workload): Kept | null {
  if (lease.tier === 'spot' && isPlannedToDeadline(spec)) return null
  const gone = new Set(lease.ranks.filter(({ rank }) => lost.includes(rank)).map(({ node }) => node))
  const isKnown = lease.ranks.every(({ node, part }) => node !== undefined && !part)
  const keeps = spec.topology?.spares !== undefined || lease.ranks.some(({ node }) => !gone.has(node))
  return isKnown && gone.size > 0 && keeps ? { lease: lease.id, lost } : null
}

const again = ({ replica, verdict }: Ended, now: number) => ({
  reason: verdict.reason,
  losses: replica.losses,
  failures: replica.failures,
  notBefore: now,
  avoid: replica.avoid,
})

const livedLong = ({ startedAt }: LiveAttempt, now: number): boolean =>
  startedAt !== null && now - startedAt >= settledMs

const pause = (attempt: LiveAttempt, tries: number): number =>
  backoffMs({ ...backoff, tries, spread: fractionOf(attempt.id) })

/** A fraction in [0, 1) that is always the same for a text: FNV-1a. */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0) / 2 ** 32
}
