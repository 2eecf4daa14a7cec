import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import { siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import type { Ending } from './ending.ts'
import type { Verdict } from './judge.ts'
import { isGivenBack } from './unheard.ts'
import { movesTo } from './moves-to.ts'

/** Moves the news of an attempt that lives up to its lease and itself, or sends it on its way down. */
export function liveChanges(
  attempt: LiveAttempt,
  verdict: Extract<Verdict, { is: 'live' }>,
  { ending, now }: { ending: Pick<Ending, 'reason'> | null; now: number },
): Change[] {
  const { id, lease } = attempt
  const changes = taken(attempt)
  if (ending && attempt.state !== 'stopping') {
    changes.push({ change: 'attempt', id, to: 'stopping', reason: ending.reason })
    if (attempt.ready) changes.push({ change: 'attempt-ready', id, ready: false })
  }
  if (ending || attempt.state === 'stopping') return [...changes, ...retire(lease)]
  // Nobody knows what it does: its site is to say that nothing is left of it before it starts anew.
  const isOver = verdict.unheard !== null && now >= verdict.unheard.until
  if (isOver || isGivenBack(attempt)) {
    if (attempt.ready) changes.push({ change: 'attempt-ready', id, ready: false })
    return [...changes, ...retire(lease)]
  }
  if (verdict.up && (lease.state === 'wanted' || lease.state === 'starting'))
    changes.push({ change: 'lease', id: lease.id, to: 'held' })
  if (verdict.running && attempt.state === 'starting')
    changes.push({ change: 'attempt', id, to: 'running', reason: '' })
  if (verdict.ready !== attempt.ready) changes.push({ change: 'attempt-ready', id, ready: verdict.ready })
  return changes
}

/** Ends an attempt, gives its capacity back and the tasks that it held. */
export function overChanges(
  attempt: LiveAttempt,
  verdict: Extract<Verdict, { is: 'over' }>,
  { workload }: WorkloadFacts,
): Change[] {
  const { id, lease } = attempt
  const { reason, exitCode } = verdict
  const changes = taken(attempt)
  if (attempt.ready) changes.push({ change: 'attempt-ready', id, ready: false })
  for (const to of movesTo(attemptMoves, attempt.state, verdict.state) ?? [])
    changes.push({ change: 'attempt', id, to, reason, ...(exitCode === undefined ? {} : { exitCode }) })
  if (workload.kind === 'array')
    changes.push({ change: 'release-tasks', workload: workload.id, attempt: attempt.number })
  return [...changes, ...(verdict.fence ? fence(lease) : retire(lease))]
}

/**
 * A rank that was seen proves that the provider took the order, though whoever placed it may have died before the
 * answer was written: so it is billed, whatever becomes of it next. One that is lost and neither began nor spoke proves
 * nothing: an order that left its line before its turn looks like that, and held nothing.
 */
function taken({ lease, ranks }: LiveAttempt): Change[] {
  const isOpen = lease.state === 'wanted' || lease.state === 'stopping'
  if (!isOpen || lease.startedAt !== null || !ranks.some(wasThere)) return []
  return [{ change: 'lease', id: lease.id, to: 'starting', ...sinceOf(ranks) }]
}

const wasThere = ({ state, startedAt, heardAt }: Rank): boolean =>
  state === 'lost' ? startedAt !== null || heardAt !== null : state !== 'expected'

/** From when on capacity is known to have been there: its first rank's start, where one is told. */
export function sinceOf(ranks: { startedAt: number | null }[]): { since?: number } {
  const starts = ranks.flatMap(({ startedAt }) => (startedAt === null ? [] : [startedAt]))
  return starts.length === 0 ? {} : { since: Math.min(...starts) }
}

/** Gives capacity back. Asking again is harmless: one retirement is intended for a lease, whoever asks. */
export function retire(lease: Lease): Change[] {
  switch (lease.state) {
    case 'wanted':
    case 'starting':
    case 'held':
      return [
        { change: 'lease', id: lease.id, to: 'stopping' },
        { change: 'retire', lease: lease.id, site: siteOf(lease) },
      ]
    case 'lost':
    case 'stopping': // intended when it began to stop
    case 'gone':
    case 'refused':
      return []
  }
}

/**
 * Counts a lease that is out of reach as lost. Its retirement stays open until the site is back: that is the fence
 * around whatever still runs there.
 */
export function fence(lease: Lease): Change[] {
  if (lease.state === 'gone' || lease.state === 'refused' || lease.state === 'lost') return []
  return [
    ...(lease.state === 'wanted' ? [{ change: 'lease', id: lease.id, to: 'stopping' } as const] : []),
    { change: 'lease', id: lease.id, to: 'lost' },
    { change: 'retire', lease: lease.id, site: siteOf(lease) },
  ]
}
