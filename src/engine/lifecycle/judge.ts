import type { AttemptState } from '#model/attempt.ts'
import { sayCause } from '#model/cause.ts'
import type { Rank } from '#model/rank.ts'
import { timeOf } from './clock-text.ts'
import { siteOf, type LiveAttempt, type SiteFacts, type WorkloadFacts } from './facts.ts'
import { takenRanks } from './leaving.ts'
import { givenUp, isGivenBack, type Unheard, unheardOf } from './unheard.ts'
import {
  closeLookMs,
  failurePauseMs,
  orderPatienceMs,
  silenceMs,
  startingPatienceMs,
  startingPerRankMs,
} from './patience.ts'

/** What has become of an attempt. */
export type Verdict =
  /** `unheard`: an agent of it says nothing, though its site answers. */
  | { is: 'live'; up: boolean; running: boolean; ready: boolean; unheard: Unheard | null }
  /** `lost`: its site answers and shows these ranks as lost, or takes their nodes away, and no others. `fence`: its capacity may still be there, out of reach; it must be retired when the site is back. */
  | { is: 'over'; state: EndState; exitCode?: number; reason: string; lost?: number[]; fence: boolean }

type EndState = Extract<AttemptState, 'succeeded' | 'failed' | 'stopped' | 'refused' | 'lost'>
type Over = Omit<Extract<Verdict, { is: 'over' }>, 'fence'>

/** Judges an attempt by the news of its ranks, what its site says, and how long both have been silent. */
export function judge(attempt: LiveAttempt, facts: WorkloadFacts, now: number): Verdict {
  const site = facts.sites[siteOf(attempt.lease)]
  const over =
    attempt.state === 'stopping'
      ? whileStopping(attempt, site, now)
      : isGivenBack(attempt)
        ? afterReturn(attempt, site, now)
        : (exited(attempt, facts, now) ?? gone(attempt, site, now) ?? tooLate(attempt, site, now))
  return over ? { ...over, fence: outOfReach(attempt.lease, facts) } : alive(attempt, facts, now)
}

function alive(attempt: LiveAttempt, { workload, sites }: WorkloadFacts, now: number): Verdict {
  const { state, ranks, lease } = attempt
  const up = areUp(ranks)
  const running = state === 'running' || ranks.every((rank) => rank.state === 'running' || rank.state === 'exited')
  const ready = running && (workload.kind !== 'service' || ranks.every((rank) => rank.ready))
  const unheard = unheardOf(attempt, sites[siteOf(lease)], now)
  return { is: 'live', up, running, ready: ready && state !== 'stopping' && !isGivenBack(attempt), unheard }
}

/** All are up, or were. Who ended before it said where leaves an agent that waits for it waiting: they never are. */
const areUp = (ranks: readonly Rank[]): boolean =>
  ranks.every(({ state }) => state !== 'expected' && state !== 'lost') &&
  !(
    ranks.some(({ state }) => state === 'arrived') &&
    ranks.some((one) => one.state === 'exited' && one.address === null)
  )

/** One rank that fails ends its gang with its code; a gang succeeds when all ranks have; a service should never end. */
function exited({ ranks }: LiveAttempt, { workload }: WorkloadFacts, now: number): Over | null {
  const ended = ranks.filter((rank) => rank.state === 'exited').sort((a, b) => endOf(a) - endOf(b))
  const failed = ended.find((rank) => codeOf(rank) !== 0)
  if (failed && now < believedAt(failed, ranks)) return null
  if (failed) return failure(failed, ranks.length)
  if (ended.length === ranks.length) {
    // A service starts again, and is asked why.
    const reason = workload.kind === 'service' ? 'exited with 0' : ''
    return { is: 'over', state: 'succeeded', exitCode: 0, reason }
  }
  const [first] = ended
  if (workload.kind !== 'service' || !first) return null
  return { is: 'over', state: 'succeeded', exitCode: 0, reason: `rank ${first.rank} exited with 0` }
}

const failure = (rank: Rank, ranks: number) =>
  ({
    is: 'over',
    state: 'failed',
    exitCode: codeOf(rank),
    reason: withCause(
      ranks > 1 ? `rank ${rank.rank} exited with ${codeOf(rank)}` : `exited with ${codeOf(rank)}`,
      rank,
    ),
  }) as const

const withCause = (what: string, { cause }: Rank): string => (cause ? `${what}: ${sayCause(cause)}` : what)

/**
 * From when on a rank's failure counts. Where a node is lost, the others of its gang fail for want of it, and often that
 * is heard first: so it counts once all have ended, or after a moment in which no rank turned out to be lost.
 */
export function believedAt(failed: Rank, ranks: Rank[]): number {
  if (ranks.some(({ state }) => state === 'lost')) return Infinity
  if (ranks.every(({ state }) => state === 'exited')) return 0
  return (failed.heardAt ?? failed.endedAt ?? 0) + failurePauseMs
}

/** An exit that nobody recorded a code of is one all the same: what a shell says of an exit out of range. */
const codeOf = (rank: Rank): number => rank.exitCode ?? 255
const endOf = (rank: Rank): number => rank.endedAt ?? Infinity

/** Capacity that went away: two signals that do not depend on each other must say so. */
function gone(attempt: LiveAttempt, site: SiteFacts | undefined, now: number): Over | null {
  const name = siteOf(attempt.lease)
  if (attempt.lease.state === 'refused') return { is: 'over', state: 'refused', reason: `${name} did not take it` }
  if (attempt.lease.state === 'gone' || attempt.lease.state === 'lost')
    return { is: 'over', state: 'lost', reason: `${name} took its capacity away` }
  const shown = attempt.ranks.filter((rank) => rank.state === 'lost')
  const lost = shown.map(({ rank }) => rank)
  const first = shown.find((rank) => silent(rank, now))
  if (first) return { is: 'over', state: 'lost', reason: withCause(`${name} lost rank ${first.rank}`, first), lost }
  if (attempt.lease.state === 'wanted') return null
  return outOfSight(attempt, site, now)
}

/** Its site has not answered for longer than its patience, and its agents are silent. */
function outOfSight(attempt: LiveAttempt, site: SiteFacts | undefined, now: number): Over | null {
  if (!outOfPatience(site) || !allSilent(attempt, now)) return null
  // Who lets us in no more is not away: that alone tells nothing of what runs there, and where no agent ever reported, nothing else does.
  if (site.reach === 'denied' && attempt.ranks.some(neverHeard)) return null
  const reason = `${siteOf(attempt.lease)} has not answered since ${timeOf(site.since)}, longer than its patience, and its agents are silent`
  return { is: 'over', state: 'lost', reason }
}

/** Its nodes were given back because an agent was not heard: how its ranks end on their way out is not their own doing. */
function afterReturn(attempt: LiveAttempt, site: SiteFacts | undefined, now: number): Over | null {
  if (attempt.lease.state !== 'gone') return outOfSight(attempt, site, now)
  return { is: 'over', state: 'lost', ...givenUp(attempt, now) }
}

/**
 * An attempt that does not get up in time is withdrawn; nothing has run yet, so another site may try. Nor does one get up
 * whose site shows a rank as lost while its agent is heard: that one waits for the others for ever.
 */
function tooLate(attempt: LiveAttempt, site: SiteFacts | undefined, now: number): Over | null {
  if (attempt.state !== 'starting' || areUp(attempt.ranks)) return null
  const away = site !== undefined && site.reach !== 'reachable'
  if (away && attempt.lease.state !== 'wanted') return null // it may well be starting there: left to the site's patience
  const until = startingLimit(attempt, site)
  if (now < until) return null
  const name = siteOf(attempt.lease)
  if (away) return { is: 'over', state: 'refused', reason: `${name} does not answer` }
  const late = `not all nodes were up after ${upWithin(attempt, site) / 1000} s on ${name}`
  const held = hindered(attempt)
  return { is: 'over', state: 'refused', reason: held ? withCause(`${late}; rank ${held.rank}`, held) : late }
}

/** The first rank of which it is known why it does not start. */
export const hindered = ({ ranks }: LiveAttempt): Rank | undefined =>
  ranks.find(({ state, cause }) => state === 'expected' && cause !== null)

const upWithin = ({ ranks }: LiveAttempt, site: SiteFacts | undefined): number =>
  site?.upWithinMs ?? Math.max(startingPatienceMs, ranks.length * startingPerRankMs)

/** When an attempt that is not up is withdrawn. Its nodes have their time from when they were ordered: many may wait for that. */
export function startingLimit(attempt: LiveAttempt, site: SiteFacts | undefined): number {
  const patient = (attempt.lease.startedAt ?? attempt.createdAt) + upWithin(attempt, site)
  if (site === undefined || site.reach === 'reachable') return patient
  return Math.min(patient, Math.max(attempt.createdAt, site.since) + orderPatienceMs)
}

/** On its way down it is over when nothing of it is left that anyone could see. */
function whileStopping(attempt: LiveAttempt, site: SiteFacts | undefined, now: number): Over | null {
  const lost = takenRanks(attempt)
  const over = { is: 'over', state: 'stopped', reason: attempt.reason, ...(lost.length > 0 && { lost }) } as const
  const { state } = attempt.lease
  if (state === 'gone' || state === 'refused' || state === 'lost') return over
  if (attempt.ranks.every((rank) => rank.state === 'exited' || (rank.state === 'lost' && silent(rank, now))))
    return over
  if (!outOfPatience(site) || !allSilent(attempt, now)) return null
  const reason = `${siteOf(attempt.lease)} does not answer: its nodes may still be there and are fenced when it is back`
  return { ...over, reason }
}

/** Whether the site of a lease has not answered for longer than its patience. */
export const outOfReach = (lease: LiveAttempt['lease'], facts: WorkloadFacts): boolean =>
  outOfPatience(facts.sites[siteOf(lease)])

/** Time in which nobody asked, since all control planes were dead or stood still, does not count. */
export const outOfPatience = (site: SiteFacts | undefined): site is SiteFacts =>
  site !== undefined && site.reach !== 'reachable' && site.askedAt >= site.since + site.patienceMs

/** When that is so, as far as it can be said now: nobody may have asked it all the time, then it has more. */
export const patienceEnd = (site: SiteFacts, now: number): number => {
  const end = site.since + site.patienceMs
  return end > now || outOfPatience(site) ? end : now + closeLookMs
}

const neverHeard = ({ state, heardAt }: Rank): boolean => state !== 'exited' && heardAt === null

const allSilent = (attempt: LiveAttempt, now: number) =>
  attempt.ranks.every((rank) => rank.state === 'exited' || silent(rank, now))

/** Where no agent reports, the provider's word is all there is, and its reader has looked twice. */
export const silent = (rank: Rank, now: number): boolean => rank.heardAt === null || now >= rank.heardAt + silenceMs
