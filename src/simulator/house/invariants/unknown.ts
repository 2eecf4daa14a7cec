import { agentPatienceMs } from '#engine/lifecycle/patience.ts'
import type { Gang } from '#providers/simulated/gang.ts'
import type { Invariant, Seen, There } from './invariant.ts'
import type { AttemptRow } from './tables.ts'
import { isHealthy, ranksByThemselves } from './truth.ts'

/** What is decided and carried out within a round may still be on its way to a site that has just fallen silent. */
const roundMs = 10_000

/** Who is asked by somebody is asked again within this, also when he is left alone for a while since he does not answer. */
const pauseMs = 45_000

/**
 * Work at a site that does not answer is left alone for its patience, and what is well is never taken for lost. What
 * counts is not what the house believes of its sites, but what was really asked of them and answered.
 */
export function unknownIsLeftAlone(): Invariant {
  /** Leases whose ranks were written down as lost on the word of a lie; what follows of that may come much later. */
  const believed = new Set<string>()
  return {
    name: 'what is well is left alone, for its patience where nobody answers',
    rule: 7,
    when: 'always',
    check(seen) {
      for (const { after } of seen.changes.ranks) {
        const there = after?.state === 'lost' && seen.gangOf(after.lease)
        if (there && seen.lied(there)) believed.add(after.lease)
      }
      return seen.changes.attempts.flatMap(({ before, after }) =>
        after?.state === 'lost' && before?.state !== 'lost' ? lostTooSoon(after, { seen, believed }) : [],
      )
    },
  }
}

type Judging = { seen: Seen; believed: ReadonlySet<string> }

function lostTooSoon({ id, endedAt }: AttemptRow, { seen, believed }: Judging): string[] {
  const lease = seen.known.leaseOf(id)
  const there = lease && seen.gangOf(lease.id)
  if (!there || endedAt === null || believed.has(lease.id) || seen.undeclared.has(there.site)) return []
  if (seen.lied(there) || !isHealthy(there.gang, seen)) return []
  if (wasGivenBack(there.gang, endedAt, seen)) return []
  // Clocks differ: what was asked a little later may have been asked before, or not.
  const { skewMs } = seen.bounds
  const whys = [0, -skewMs, skewMs].map((ahead) => notSilent(there, endedAt, { seen, until: endedAt + ahead }))
  const [why] = whys.includes(null) ? [] : whys
  return why
    ? [`attempt ${id} was given up at ${endedAt} though ${there.gang.token} runs well at ${there.site}: ${why}`]
    : []
}

/** Why a site cannot count as silent at an instant, by what was asked of it until then; null where it can. */
export function notSilent(
  { site, gang }: There,
  at: number,
  { seen, until }: { seen: Seen; until: number },
): string | null {
  const { asked, agentsOf, tables, bounds } = seen
  const { skewMs } = bounds
  const patienceMs = tables.sites.get(site)?.info.patienceMs ?? 0
  const asks = asked(site).filter((one) => one.at <= until)
  const answered = asks.findLastIndex(({ heard }) => heard === 'answer')
  // What was answered last may have been heard by nobody: who asked had died or stood still.
  const before = asks.slice(0, answered).findLastIndex(({ heard }) => heard === 'answer')
  const vain = asks.slice(before + 1).filter(({ heard }) => heard !== 'answer')
  const since = vain[0]?.at ?? Infinity
  if (since > at - patienceMs + skewMs) return `it was asked in vain only since ${since}`
  const times = [...vain.map((one) => one.at), at]
  const from = at - patienceMs
  const gap = times.find(
    (one, i) => one > from + skewMs && one - Math.max(from, times[i - 1] ?? one) > pauseMs + skewMs,
  )
  if (gap !== undefined) return `nobody asked it for long before ${gap}`
  // Where no agent reports, a refused credential alone says nothing of what runs there.
  const isAway = vain.some((one) => one.heard === 'nothing' && one.at >= at - roundMs - pauseMs - skewMs)
  return agentsOf(gang.token) !== null || isAway ? null : 'it only refuses our credential'
}

/** An agent of it was silent for long, and nothing of it was left when it was given up. */
const wasGivenBack = ({ token, stop }: Readonly<Gang>, endedAt: number, { agentsOf, bounds }: Seen): boolean =>
  stop !== null &&
  stop.goneAt <= endedAt + bounds.skewMs &&
  (agentsOf(token) ?? []).some(({ silentMs }) => silentMs >= agentPatienceMs.one - bounds.skewMs)

/** Nothing new is placed at a site that is known not to answer, or not to let us in. */
export const newWorkGoesElsewhere = (): Invariant => ({
  name: 'new work goes where somebody answers',
  rule: 7,
  when: 'always',
  check: ({ changes, tables, bounds }) =>
    changes.leases.flatMap(({ before, after }) => {
      if (before !== null || !after) return []
      const site = tables.sites.get(`${after.provider}/${after.site}`)
      if (!site || site.reach === 'reachable' || after.createdAt <= site.since + roundMs + bounds.skewMs) return []
      return [`lease ${after.id} was placed at ${site.site}, which is ${site.reach} since ${site.since}`]
    }),
})

/** An attempt fails or succeeds because its ranks did: no late or wrong news ends what runs. */
export const verdictsHaveCauses = (): Invariant => ({
  name: 'an attempt fails or succeeds only as its ranks did',
  rule: 2,
  when: 'always',
  check: (seen) =>
    seen.changes.attempts.flatMap(({ before, after }) => {
      const isVerdict = after?.state === 'failed' || after?.state === 'succeeded'
      return after && isVerdict && before?.state !== after.state ? causeless(after, seen) : []
    }),
})

function causeless({ id, workload, state, endedAt }: AttemptRow, seen: Seen): string[] {
  const { known, gangOf, tables, lied } = seen
  const lease = known.leaseOf(id)
  const there = lease && gangOf(lease.id)
  if (!there || lied(there)) return []
  // A copy of the order that arrived late: what the attempt ended as was another gang.
  if (endedAt !== null && there.gang.acceptedAt > endedAt) return []
  const ranks = ranksByThemselves(there.gang, seen)
  if (ranks.length === 0) return []
  const codes = ranks.map(({ exitCode }) => exitCode)
  const isService = tables.workloads.get(workload)?.kind === 'service'
  const isArray = tables.workloads.get(workload)?.kind === 'array'
  const isTrue =
    state === 'failed'
      ? codes.some((code) => code !== null && code !== 0)
      : isArray || (isService ? codes.includes(0) : codes.every((code) => code === 0))
  return isTrue ? [] : [`attempt ${id} ${state}, and its ranks ended with [${codes.map((code) => code ?? 'none')}]`]
}
