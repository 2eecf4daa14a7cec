import { warningAt } from './budget.ts'
import { limitsOf } from './ending.ts'
import { siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import { believedAt, patienceEnd, startingLimit } from './judge.ts'
import { leavingOf } from './leaving.ts'
import { closeLookMs, idleLookMs, silenceMs, togetherMs, unheardMs, watchMs } from './patience.ts'
import { unheardOf } from './unheard.ts'

/** The next instant after `now` at which something may change although nothing reports. */
export function lookAgainAt(facts: WorkloadFacts, now: number): number {
  const { workload } = facts
  const close = workload.state === 'stopping' || workload.wants !== 'run'
  const times = [
    close && facts.attempts.length > 0 ? now + closeLookMs : idleLookAt(now),
    ...limitsOf(facts, now).map(({ at }) => at),
    warningAt(facts, now),
    ...facts.attempts.flatMap((attempt) => timesOf(attempt, facts, now)),
  ]
  // It may begin with this very look: then its limit is not among those yet.
  const { maximumMs } = workload.spec.duration
  if (maximumMs !== undefined && facts.attempts.length > 0) times.push(now + maximumMs)
  return Math.min(...times.filter((time) => time > now))
}

const idleLookAt = (now: number): number => Math.floor((now + idleLookMs) / togetherMs) * togetherMs

function timesOf(attempt: LiveAttempt, facts: WorkloadFacts, now: number): number[] {
  const site = facts.sites[siteOf(attempt.lease)]
  const times = attempt.state === 'starting' ? [startingLimit(attempt, site)] : []
  const away = site !== undefined && site.reach !== 'reachable'
  const leaving = attempt.state === 'stopping' ? null : leavingOf(attempt, facts)
  if (leaving) times.push(leaving.endBy)
  if (away) times.push(patienceEnd(site, now))
  const unheard = unheardOf(attempt, site, now)
  if (unheard) times.push(now + watchMs, unheard.until)
  for (const rank of attempt.ranks)
    if (rank.state === 'exited') times.push(believedAt(rank, attempt.ranks))
    else if (rank.heardAt !== null && (away || rank.state === 'lost')) times.push(rank.heardAt + silenceMs)
    else if (rank.heardAt !== null && now >= rank.heardAt + silenceMs) times.push(rank.heardAt + unheardMs)
  return times
}
