import type { Change } from '#model/change.ts'
import { finalStates } from '#model/moves.ts'
import type { Replica } from '#model/replica.ts'
import { workloadMoves } from '#model/workload.ts'
import { fence, liveChanges, overChanges, retire } from './attempt-changes.ts'
import { warn } from './budget.ts'
import { endingOf, type Ending } from './ending.ts'
import { type LiveAttempt, type WorkloadFacts } from './facts.ts'
import { judge, outOfReach } from './judge.ts'
import { type Leaving, leavingOf } from './leaving.ts'
import { lookAgainAt } from './look-again.ts'
import { nextTry, type Judged, type NextTry } from './next-try.ts'
import { reviveArray, workloadChanges } from './workload-changes.ts'

/**
 * What follows for a workload from all that is known of it. News of ranks moves up to leases and attempts, from there
 * to replicas, and from there to the workload; wishes and limits move down. The changes stand in the order in which
 * they must be applied. To conclude once more from the result asks for nothing but another look.
 */
export function conclude(facts: WorkloadFacts, now: number): Change[] {
  if (finalStates(workloadMoves).includes(facts.workload.state)) return facts.leftovers.flatMap(retire)
  const ending = endingOf(facts, now)
  const judged = facts.attempts.map((attempt) => judgeOne(attempt, facts, { ending, now }))
  const revived = ending ? null : reviveArray(facts, judged, now)
  return [
    ...facts.leftovers.flatMap((lease) => leftoverChanges(lease, facts)),
    ...judged.flatMap(({ attempt, verdict }) =>
      verdict.is === 'live'
        ? liveChanges(attempt, verdict, { ending: ending ?? leavesNow(attempt, facts, now), now })
        : overChanges(attempt, verdict, facts),
    ),
    ...judged.filter(({ attempt }) => attempt.replica !== revived?.replica).flatMap(replicaChanges),
    ...(revived?.next === 'waits' ? [waits(facts.workload.id, revived.replica, revived)] : []),
    ...workloadChanges({ facts, judged, ending, revived, now }),
    ...warn(facts, now),
    { change: 'look-again', id: facts.workload.id, at: lookAgainAt(facts, now) },
  ]
}

/** The site takes some of it away, and no more than its grace is left. */
function leavesNow(attempt: LiveAttempt, facts: WorkloadFacts, now: number): Leaving | null {
  const leaving = leavingOf(attempt, facts)
  return leaving && now >= leaving.endBy ? leaving : null
}

function judgeOne(attempt: LiveAttempt, facts: WorkloadFacts, at: { ending: Ending | null; now: number }): Judged {
  const verdict = judge(attempt, facts, at.now)
  const replica = facts.replicas.find((one) => one.replica === attempt.replica)
  if (verdict.is === 'live' || !replica) return { attempt, verdict, next: null }
  const next = nextTry({ attempt, verdict, replica }, facts, at.now)
  // What ends now is not tried again, and its losses and failures are of no more interest.
  return { attempt, verdict, next: at.ending && next.next !== 'done' ? stays(replica, at.now) : next }
}

const stays = ({ losses, failures, avoid }: Replica, now: number): NextTry => ({
  next: 'waits',
  reason: '',
  losses,
  failures,
  notBefore: now,
  avoid,
})

function replicaChanges({ attempt, next }: Judged): Change[] {
  if (next === null) return []
  const { workload, replica } = attempt
  return [next.next === 'waits' ? waits(workload, replica, next) : { change: 'replica-done', workload, replica }]
}

function waits(workload: string, replica: number, next: Extract<NextTry, { next: 'waits' }>): Change {
  const { losses, failures, notBefore, avoid, kept } = next
  return { change: 'replica-waits', workload, replica, losses, failures, notBefore, avoid, ...(kept && { kept }) }
}

/** Leases of ended attempts are retired; one that is out of reach beyond patience stops counting as used. */
function leftoverChanges(lease: LiveAttempt['lease'], facts: WorkloadFacts): Change[] {
  return lease.state === 'stopping' && outOfReach(lease, facts) ? fence(lease) : retire(lease)
}
