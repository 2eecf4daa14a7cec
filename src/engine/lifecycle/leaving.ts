import { sayCause } from '#model/cause.ts'
import type { Rank } from '#model/rank.ts'
import { siteOf, type LiveAttempt, type WorkloadFacts } from './facts.ts'
import { timeOf } from './clock-text.ts'

/** Between the notice and the order to end lie a look (six seconds), a decision and calls: so much sooner it is told. */
export const noticeMarginMs = 15_000

/** That a site takes capacity away which runs an attempt, and when that must be told to end to have its grace. */
export type Leaving = { rank: number; at: number; endBy: number; reason: string }

/** The first rank of which the site has said that its node goes; null where none has. */
export function leavingOf(attempt: LiveAttempt, { workload }: Pick<WorkloadFacts, 'workload'>): Leaving | null {
  const noticed = attempt.ranks.filter(isLeaving).sort((a, b) => (a.leavesAt ?? 0) - (b.leavesAt ?? 0))
  const [first] = noticed
  if (!first || first.leavesAt === null) return null
  const { rank, leavesAt: at, cause } = first
  const why = cause ? `: ${sayCause(cause)}` : ''
  return {
    rank,
    at,
    endBy: at - workload.spec.checkpoint.graceMs - noticeMarginMs,
    reason: `${takes(attempt)} ${rank} away at ${timeOf(at)}${why}`,
  }
}

/** The ranks whose nodes are taken away where an attempt on its way down is so for that; none where it is for another reason. */
export const takenRanks = (attempt: LiveAttempt): number[] =>
  attempt.state === 'stopping' && attempt.reason.startsWith(takes(attempt))
    ? attempt.ranks.filter(({ leavesAt }) => leavesAt !== null).map(({ rank }) => rank)
    : []

const isLeaving = ({ state, leavesAt }: Rank): boolean => leavesAt !== null && state !== 'exited' && state !== 'lost'

const takes = ({ lease }: LiveAttempt): string => `${siteOf(lease)} takes rank`
