import type { Rank } from '#model/rank.ts'
import { type LiveAttempt, siteOf, type SiteFacts, type WorkloadFacts } from './facts.ts'
import { outOfPatience, patienceEnd, silent } from './judge.ts'
import { toldWithinMs } from './patience.ts'

/**
 * When a limit of time that is reached at an instant is drawn: then, or once it can be told what became of the ranks, which
 * may have ended well before. While their site does not answer and their agents are silent nobody can tell; when it is back
 * it has a moment to (`toldWithinMs`). The limit is drawn when the site's patience is over, with the loss of what runs there,
 * and no later than that patience after the instant, or after somebody listens again, however often the site goes and comes.
 * A service ends by nothing that could be told.
 */
export function drawnAt(at: number, { workload, attempts, sites, toldBy = at }: WorkloadFacts, now: number): number {
  if (workload.kind === 'service') return at
  const times = attempts.map((attempt) => {
    const site = sites[siteOf(attempt.lease)]
    return site ? Math.min(knownBy(attempt, site, now), Math.max(at, toldBy) + site.patienceMs) : at
  })
  return Math.max(at, ...times)
}

/** By when it can be told what became of an attempt; never later than now where all of it is heard. */
function knownBy({ createdAt, ranks }: LiveAttempt, site: SiteFacts, now: number): number {
  if (!ranks.some((rank) => isOpen(rank) && silent(rank, now))) return -Infinity
  if (site.reach === 'reachable') return createdAt < site.since ? site.since + toldWithinMs : -Infinity
  return outOfPatience(site) ? -Infinity : patienceEnd(site, now)
}

const isOpen = ({ state }: Rank): boolean => state !== 'exited' && state !== 'lost'

/** When all of an attempt had ended by itself; `Infinity` while something runs, and of what is told to stop. */
export const endOf = ({ state, ranks, lease }: LiveAttempt): number =>
  state === 'stopping' || lease.state === 'stopping' || lease.state === 'gone'
    ? Infinity
    : Math.max(...ranks.map((rank) => (rank.state === 'exited' ? rank.endedAt : null) ?? Infinity))
