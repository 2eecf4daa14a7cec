import { warningAt } from './budget.ts'
import { limitsOf } from './ending.ts'
import { siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import { believedAt, startingLimit } from './judge.ts'
import { closeLookMs, idleLookMs, silenceMs } from './patience.ts'

/** The next instant after `now` at which something may change although nothing reports. */
export function lookAgainAt(facts: WorkloadFacts, now: number): number {
  const { workload } = facts
  const close = workload.state === 'stopping' || workload.wants !== 'run'
  const times = [
    now + (close && facts.attempts.length > 0 ? closeLookMs : idleLookMs),
    ...limitsOf(facts, now).map(({ at }) => at),
    warningAt(facts, now),
    ...facts.attempts.flatMap((attempt) => timesOf(attempt, facts)),
  ]
  if (workload.spec.duration.maximumMs !== undefined) times.push(now + workload.spec.duration.maximumMs)
  return Math.min(...times.filter((time) => time > now))
}

function timesOf(attempt: LiveAttempt, facts: WorkloadFacts): number[] {
  const site = facts.sites[siteOf(attempt.lease)]
  const times = attempt.state === 'starting' ? [startingLimit(attempt, site)] : []
  const away = site !== undefined && site.reach !== 'reachable'
  if (away) times.push(site.since + site.patienceMs)
  for (const rank of attempt.ranks)
    if (rank.state === 'exited') times.push(believedAt(rank, attempt.ranks))
    else if (rank.heardAt !== null && (away || rank.state === 'lost')) times.push(rank.heardAt + silenceMs)
  return times
}
