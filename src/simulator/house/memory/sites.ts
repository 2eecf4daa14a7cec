import { seatedAs, seatsOf } from '#model/lease.ts'
import { type ListedRank, rankMoves, type Serving } from '#model/rank.ts'
import { mayMove } from '#model/moves.ts'
import type { Offer } from '#model/offer.ts'
import { lapseMs, type Node, type Site, type SiteReach, siteKey } from '#model/site.ts'
import { reachedEvent, warnedEvent } from '#store/queries/told.ts'
import type { QueueSnapshot, SeenRank, Sites } from '#store/store.ts'
import { holds } from './claims.ts'
import { altered, jsonb, sameJson } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { dueWithNews } from './news-due.ts'
import { leaseOf, type RankRow, rankOf, type SiteRow } from './rows.ts'
import { all, rankKey, siteOf } from './tables.ts'

export const createSites = (memory: Memory): Sites => {
  const { sites, leases, read, write } = memory
  return {
    list: () => read(() => listSites(memory)),
    put: (site, now) => write(() => put(memory, site, now)),
    forget: (site) =>
      write(() => {
        const row = sites.get(site)
        if (!row || row.declaration || leases.openAt.get(site).length > 0) return false
        sites.remove(row)
        memory.tell({ nudges: ['admit'] })
        return true
      }),
    offered: (...[site, offers, nodes, now]) => write(() => offered(memory, { site, offers, nodes, now })),
    reached: (told, claim) => write(() => holds(memory, claim) && reached(memory, told)),
    count: (site) => read(() => leases.openAt.get(site).filter(({ state }) => state !== 'wanted').length),
    kept: () => read(() => keptNodes(memory)),
    differing: (site, listed) => read(() => differing(memory, site, listed)),
    saw: (ranks, now) => write(() => saw(memory, ranks, now)),
    began: (told, now) => write(() => began(memory, told, now)),
    orphans: (tokens) =>
      read(() =>
        tokens.flatMap((token) => {
          const { state = 'gone', startedAt = null } = leases.get(token) ?? {}
          return state === 'gone' || state === 'refused' ? [{ token, wasHeld: startedAt !== null }] : []
        }),
      ),
  }
}

export const listSites = ({ sites }: Memory): QueueSnapshot['sites'] =>
  sites.byKey.get(all).map(({ key, reach, since, detail, offers, nodes, site, leaving }) => ({
    site: key,
    reach,
    since,
    detail,
    offers: leaving ? [] : offers,
    nodes,
    info: site,
    leaving,
  }))

function put({ sites, tell }: Memory, site: Site, now: number): void {
  const key = siteKey(site)
  const row = sites.get(key)
  if (row && sameJson(row.site, site)) return
  if (row) sites.update(row, { site: jsonb(site) })
  else {
    const unasked = {
      reach: 'reachable',
      detail: '',
      offers: jsonb([]),
      nodes: null,
      offersAt: null,
      askedAt: null,
      declaration: null,
      leaving: null,
    } as const
    sites.insert({ key, site: jsonb(site), since: now, ...unasked })
  }
  tell({ nudges: ['admit'] })
}

type Offered = { site: string; offers: Offer[]; nodes: Node[] | null; now: number }

function offered({ sites, tell }: Memory, { site, offers, nodes, now }: Offered): void {
  const row = sites.get(site)
  if (!row) return
  const areSame = sameJson(row.nodes, nodes)
  // A changed offer may be what somebody waits for; the same again (only younger) is no news.
  const areOffersSame = sameOffers(row.offers, offers)
  const isNews = !areSame || !areOffersSame
  const kept = areOffersSame ? row.offers.map((offer, i) => altered(offer, { asOf: offers[i]?.asOf ?? now })) : offers
  sites.update(row, { offers: jsonb(kept), nodes: areSame ? row.nodes : jsonb(nodes), offersAt: now })
  if (isNews) tell({ nudges: ['admit'] })
}

const sameOffers = (kept: readonly Offer[], given: readonly Offer[]): boolean =>
  kept.length === given.length && kept.every((offer, i) => sameJson(offer, { ...given[i], asOf: offer.asOf }))

function reached(memory: Memory, { site, reach, detail, since }: SiteReach): boolean {
  const { sites, leases, workloads, operations, tell } = memory
  const row = sites.get(site)
  const isNews = row?.reach !== reach
  if (!row || (!isNews && reach === 'reachable' && row.detail === detail) || row.since > since) return false
  const goesOn = !isNews && (reach === 'reachable' || (row.askedAt ?? row.since) + lapseMs >= since)
  const isWarned = reach === 'reachable' && detail !== '' && (isNews || row.detail === '')
  sites.update(row, { reach, detail, askedAt: since, since: goesOn ? row.since : since })
  if (isWarned) tell({ events: [warnedEvent(site, detail)], nudges: isNews ? [] : ['events'], now: since })
  if (!isNews) return false
  tell({ events: [reachedEvent({ site, reach, detail })], now: since })
  for (const id of new Set(leases.openAt.get(site).map(({ workload }) => workload))) makeDue(workloads, id, since)
  // What was put off because it did not answer need not wait any longer: an old attempt may still run there.
  if (reach === 'reachable')
    for (const operation of operations.openAt.get(site).slice())
      operations.update(operation, { notBefore: Math.min(operation.notBefore, since) })
  tell({ nudges: ['admit', 'follow', 'retire', 'launch', 'events'] })
  return true
}

function makeDue(workloads: Memory['workloads'], id: string, at: number): void {
  const row = workloads.get(id)
  if (row && row.dueAt !== null) workloads.update(row, { dueAt: dueWithNews(row, at) })
}

function keptNodes({ replicas, leases }: Memory): Map<string, number> {
  const nodes = new Map<string, Set<string>>()
  for (const { kept } of replicas.keeping.get(all)) {
    const lease = leases.get(kept?.lease ?? '')
    if (!lease) continue
    const left = lease.ranks.filter(({ rank }) => !kept?.lost.includes(rank))
    const spares = lease.beside?.spares ?? []
    if (left.length + spares.length === 0) continue
    const its = nodes.get(siteOf(lease)) ?? new Set()
    nodes.set(siteOf(lease), its)
    for (const { node } of left) if (node !== undefined) its.add(node)
    for (const node of spares) its.add(node)
  }
  return new Map([...nodes].map(([site, its]) => [site, its.size]))
}

function differing(
  { leases, ranks }: Memory,
  site: string,
  listed: Parameters<Sites['differing']>[1],
): Awaited<ReturnType<Sites['differing']>> {
  const shown = Map.groupBy(listed, ({ lease }) => lease)
  const isDifferent = (lease: string, its: readonly ListedRank[]): boolean => {
    const rows = ranks.byLease.get(lease)
    return its.some((one) => {
      const row = rows[one.rank]?.rank === one.rank ? rows[one.rank] : rows.find(({ rank }) => rank === one.rank)
      return row !== undefined && row.state !== 'exited' && isOther(row, one)
    })
  }
  return leases.openAt
    .get(site)
    .filter(({ id, state, ranks: { length } }) => {
      if (state === 'wanted') return false
      const its = shown.get(id) ?? []
      return isDifferent(id, its) || ((state === 'starting' || state === 'held') && its.length < length)
    })
    .map((lease) => ({ ...leaseOf(lease), ranksSeen: ranks.byLease.get(lease.id).map(rankOf) }))
}

function isOther(row: RankRow, listed: ListedRank): boolean {
  const { state, cause, leavesAt } = row
  return (
    state !== listed.state ||
    isEarlier(listed, leavesAt) ||
    (state === 'expected' && listed.cause !== undefined && listed.cause !== cause?.kind) ||
    isServedOtherwise(row, listed)
  )
}

const isServedOtherwise = (row: RankRow, { ready = row.ready, address = row.address }: Partial<Serving>): boolean =>
  ready !== row.ready || (address !== null && address !== (row.address ?? ''))

const isEarlier = ({ leavesAt }: { leavesAt?: number | null }, known: number | null): boolean =>
  typeof leavesAt === 'number' && leavesAt < (known ?? Infinity)

/** Whether a rank that stays as it is is told to be so for another reason, or to be taken away sooner. */
const isToldMore = (row: RankRow, { state, cause = null, leavesAt, serving = row }: SeenRank): boolean =>
  row.state === state &&
  state !== 'exited' &&
  (isEarlier({ leavesAt }, row.leavesAt) ||
    (cause !== null && !sameJson(cause, row.cause)) ||
    isServedOtherwise(row, serving))

function saw({ ranks, leases, workloads, tell }: Memory, seen: SeenRank[], now: number): void {
  const touched = new Set<string>()
  for (const [id, seats] of seatsOf(seen)) {
    const lease = leases.get(id)
    if (lease) leases.update(lease, { ranks: seatedAs(lease.ranks, seats) })
  }
  for (const one of seen) {
    const { lease, rank, state, exitCode, startedAt, endedAt, cause = null, leavesAt = null, serving } = one
    const row = ranks.get(rankKey({ lease, rank }))
    if (!row || (row.state === state ? !isToldMore(row, one) : !mayMove(rankMoves, row.state, state))) continue
    const earliest = Math.min(row.leavesAt ?? Infinity, leavesAt ?? Infinity)
    ranks.update(row, {
      state,
      exitCode: exitCode ?? row.exitCode,
      startedAt: row.startedAt ?? startedAt ?? null,
      endedAt: row.endedAt ?? endedAt ?? null,
      cause: cause === null ? (row.state === state ? row.cause : null) : jsonb(cause),
      leavesAt: earliest === Infinity ? null : earliest,
      ready: serving?.ready ?? row.ready,
      address: serving?.address ?? row.address,
      endpoints: serving?.endpoints ?? row.endpoints,
    })
    touched.add(lease)
  }
  if (touched.size === 0) return
  for (const id of touched) makeDue(workloads, leases.get(id)?.workload ?? '', now)
  tell({ nudges: ['follow', 'agents'] })
}

function began({ leases, workloads, tell }: Memory, told: Parameters<Sites['began']>[0], now: number): void {
  let isNews = false
  for (const { lease: id, since } of told) {
    const lease = leases.get(id)
    if (!lease || !['wanted', 'starting', 'held', 'stopping'].includes(lease.state)) continue
    const at = Math.max(lease.createdAt, Math.min(since, now))
    const movesBack = lease.startedAt === lease.meteredUntil && at < (lease.startedAt ?? Infinity)
    if (lease.startedAt !== null && !movesBack) continue
    leases.update(lease, { startedAt: at, meteredUntil: at })
    makeDue(workloads, lease.workload, now)
    isNews = true
  }
  if (isNews) tell({ nudges: ['follow'] })
}

/** Offers without the time they were asked for. */
export const ageless = ({ offers }: SiteRow): Omit<Offer, 'asOf'>[] => offers.map(({ asOf: _asOf, ...offer }) => offer)
