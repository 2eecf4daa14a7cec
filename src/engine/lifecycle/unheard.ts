import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import { siteOf, type LiveAttempt, type SiteFacts } from './facts.ts'
import { timeOf } from './clock-text.ts'
import { agentPatienceMs, unheardMs } from './patience.ts'

/** A rank that its site shows and whose agent says nothing: since when, and until when it is left alone. */
export type Unheard = { rank: number; since: number; until: number }

/**
 * The rank of an attempt that will be given up first because nobody hears its agent; null where all are heard, or where
 * silence tells nothing: the site does not answer, or the agents of its ranks never said a word. Silence counts from when
 * the site answers. Where other agents of the site are heard meanwhile, this one alone is silent, and it is waited for
 * less long than where none is: then it is likely the way from there that is broken, and all is well there.
 */
export function unheardOf({ state, ranks }: LiveAttempt, site: SiteFacts | undefined, now: number): Unheard | null {
  if (state === 'stopping' || site?.reach !== 'reachable') return null
  const { hearsSince } = site
  const all = ranks.flatMap((rank) => {
    const since = quietSince(rank)
    if (since === null || now < since + unheardMs) return []
    const from = Math.max(since, site.since)
    const isAlone = hearsSince === undefined
    const patienceMs = Math.max(site.patienceMs, isAlone ? agentPatienceMs.all : agentPatienceMs.one)
    return [{ rank: rank.rank, since, until: Math.max(from, hearsSince ?? 0) + patienceMs }]
  })
  return all.sort((a, b) => a.until - b.until)[0] ?? null
}

/** When the agent of a rank was heard last; null where none has to be heard any more, or none ever was. */
const quietSince = ({ state, heardAt }: Rank): number | null =>
  state === 'arrived' || state === 'running' ? heardAt : null

/** Whether any agent of an attempt was not heard for so long that its site should be asked about by others. */
export const hasUnheard = ({ state, ranks }: LiveAttempt, now: number): boolean =>
  state !== 'stopping' &&
  ranks.some((rank) => {
    const since = quietSince(rank)
    return since !== null && now >= since + unheardMs
  })

/** Its nodes are given back before it is given up: what nobody hears may still run, and its site can say when it does not. */
export const isGivenBack = ({ state, lease }: LiveAttempt): boolean =>
  state !== 'stopping' && (lease.state === 'stopping' || lease.state === 'gone')

/** Why an attempt was given up whose nodes were given back, and the ranks that were not heard. */
export function givenUp(attempt: LiveAttempt, now: number): { reason: string; lost: number[] } {
  const mute = muteOf(attempt, now)
  return { reason: `${silence(attempt, mute)}, so its nodes were given back`, lost: mute.map(({ rank }) => rank) }
}

/** What people should know while its nodes are given back. */
export const givenBackText = (attempt: LiveAttempt, now: number): string =>
  `${silence(attempt, muteOf(attempt, now))}, so its nodes are given back before it starts anew`

/** What people should know before that. */
export function unheardText({ rank, since, until }: Unheard, { lease, now }: { lease: Lease; now: number }): string {
  const left =
    until > now ? `left alone until ${timeOf(until)}, then its nodes are given back` : 'its nodes are given back'
  return `${siteOf(lease)} answers, but the agent of rank ${rank} is not heard since ${timeOf(since)}; ${left}`
}

/** Ranks that were not heard for so long that they are why nodes are given back, the one that fell silent first before the others. */
const muteOf = ({ ranks }: LiveAttempt, now: number): Rank[] =>
  ranks
    .filter((rank) => now >= (quietSince(rank) ?? Infinity) + agentPatienceMs.one)
    .sort((a, b) => (a.heardAt ?? 0) - (b.heardAt ?? 0))

function silence({ lease }: LiveAttempt, [first]: Rank[]): string {
  const who = first
    ? `the agent of rank ${first.rank} was not heard since ${timeOf(first.heardAt ?? 0)}`
    : 'an agent was not heard'
  return `${who} though ${siteOf(lease)} answers`
}
