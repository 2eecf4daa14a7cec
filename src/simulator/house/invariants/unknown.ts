import type { RowChange } from './changes.ts'
import type { Invariant, Seen } from './invariant.ts'
import type { AttemptRow, SiteRow } from './tables.ts'
import { isHealthy, ranksByThemselves } from './truth.ts'

/** What is decided and carried out within a round may still be on its way to a site that has just fallen silent. */
const roundMs = 10_000

/** Since when a site has not answered, as rows say, or only refused our credential, and when it answered again. */
type Away = { since: number; deniedSince: number; until: number; patienceMs: number }

const never: Away = { since: Infinity, deniedSince: Infinity, until: Infinity, patienceMs: 0 }

/** Work at a site that does not answer is left alone for its patience, and what is well is never taken for lost. */
export function unknownIsLeftAlone(): Invariant {
  const away = new Map<string, Away>()
  const silences: Silences = new Map()
  return {
    name: 'what is well is left alone, for its patience where nobody answers',
    rule: 7,
    when: 'always',
    check(seen) {
      for (const change of seen.changes.sites) note(away, change, seen.now)
      noteSilences(silences, seen.events)
      return seen.changes.attempts.flatMap(({ before, after }) =>
        after?.state === 'lost' && before?.state !== 'lost' ? lostTooSoon(after, { away, silences }, seen) : [],
      )
    },
  }
}

const isAway = (row: SiteRow | null): row is SiteRow => row !== null && row.reach !== 'reachable'

function note(away: Map<string, Away>, { key, before, after }: RowChange<SiteRow>, now: number): void {
  if (!after) return
  const { since } = after
  if (isAway(after)) {
    // From unreachable to denied is no answer in between.
    const from = isAway(before) ? Math.min(away.get(key)?.since ?? since, since) : since
    const deniedSince = after.reach === 'denied' ? since : Infinity
    away.set(key, { since: from, deniedSince, until: Infinity, patienceMs: after.info.patienceMs })
  } else if (isAway(before)) away.set(key, { ...(away.get(key) ?? never), until: now })
}

/** All silences of each site, as events tell of them: of several between two looks rows show the last one only. */
type Silences = Map<string, { from: number; to: number }[]>

function noteSilences(silences: Silences, events: Seen['events']): void {
  for (const { type, at, data } of events) {
    const site = String(data['site'])
    const all = silences.get(site) ?? []
    if (type === 'site.unreachable') silences.set(site, [...all.slice(-20), { from: at, to: Infinity }])
    const last = all.at(-1)
    if (type === 'site.reachable' && last) last.to = Math.min(last.to, at)
  }
}

type Known = { away: ReadonlyMap<string, Away>; silences: Silences }

function lostTooSoon({ id, endedAt }: AttemptRow, { away, silences }: Known, seen: Seen): string[] {
  const lease = seen.known.leaseOf(id)
  const there = lease && seen.gangOf(lease.id)
  if (!there || endedAt === null || seen.lied(there) || !isHealthy(there.gang, seen)) return []
  const { since, deniedSince, until, patienceMs } = away.get(there.site) ?? never
  const { skewMs } = seen.bounds
  // Where no agent reports, a refused credential alone says nothing of what runs there.
  const mayBeLost = seen.agentsOf(there.gang.token) !== null || endedAt <= deniedSince + roundMs + skewMs
  const wasSilent = silences
    .get(there.site)
    ?.some(({ from, to }) => endedAt >= from + patienceMs - skewMs && endedAt <= to + skewMs)
  if (wasSilent && mayBeLost) return []
  if (endedAt >= since + patienceMs - skewMs && endedAt <= until + skewMs && mayBeLost) return []
  return [`attempt ${id} was given up at ${endedAt} though ${there.gang.token} runs well at ${there.site}`]
}

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

function causeless({ id, workload, state }: AttemptRow, seen: Seen): string[] {
  const { known, gangOf, tables, lied } = seen
  const lease = known.leaseOf(id)
  const there = lease && gangOf(lease.id)
  if (!there || lied(there)) return []
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
