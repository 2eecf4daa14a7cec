import type { LeasedRank } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import { siteKey } from '#model/site.ts'

import type { LiveLease, SiteFacts, Snapshot } from './facts.ts'
import { createFleet, occupy, type Fleet, type Packed, type Size } from './fleet.ts'
import type { Need } from './need.ts'
import type { Line } from './queue.ts'
import { choiceOf, sliceOf, slicePrice, type Slice } from './slice.ts'

/** One round of placement: the facts, and what was given away in it so far. Nothing of it outlives the round. */
export type Round = {
  now: number
  market: Candidate[]
  /** What a project's live leases and placed gangs hold. */
  use: Map<string, Use>
  /** Replicas of a workload at a site or provider, by `workload site` and `workload provider`. */
  copies: Map<string, number>
  /** Nodes of an offer without inventory that we hold. */
  held: Map<string, number>
  line: Line
  looks: Map<string, Look[]>
  leases: LiveLease[]
}

/** An offer at its site, with the inventory that all offers of the site share. */
export type Candidate = { key: string; site: SiteFacts; siteKey: string; offer: Offer; fleet: Fleet | null }

export type Use = { cpuMilli: number; accelerators: number; nodes: number; nodesAt: Map<string, number> }

/** A candidate as seen by one need: what a rank would get there, and for how much. */
export type Look = {
  candidate: Candidate
  /** Which of the accelerators asked for it has; -1 for none of them. */
  choice: number
  slice: Slice
  size: Size
  /** Of one node, and of the whole gang, for an hour. */
  nodePriceMicros: number
  priceMicros: number
}

export function openRound(snapshot: Snapshot, now: number): Round {
  const market = snapshot.sites.flatMap((site) => candidatesOf(site, snapshot.leases))
  market.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.offer.priceMicros - b.offer.priceMicros))
  const round: Round = {
    now,
    market,
    use: new Map(),
    copies: new Map(),
    held: new Map(),
    line: new Map(),
    looks: new Map(),
    leases: snapshot.leases,
  }
  for (const lease of snapshot.leases) {
    const shapes = market.filter(({ offer }) => isAt(lease, offer)).map(({ key }) => key)
    count(round, { ...lease, offers: [...new Set(shapes)] })
  }
  return round
}

function candidatesOf(site: SiteFacts, leases: LiveLease[]): Candidate[] {
  const { provider, name } = site.info
  const held = leases.filter((lease) => lease.provider === provider && lease.site === name)
  const fleet =
    site.nodes &&
    createFleet(
      site.nodes,
      held.flatMap(({ ranks, times = 1 }) => (times === 1 ? ranks : Array.from({ length: times }, () => ranks).flat())),
    )
  const key = siteKey(site.info)
  return site.offers.map((offer) => ({
    key: `${key} ${offer.tier} ${offer.shape.name}`,
    site,
    siteKey: key,
    offer,
    fleet,
  }))
}

const isAt = (lease: LiveLease, offer: Offer): boolean =>
  lease.provider === offer.provider &&
  lease.site === offer.site &&
  lease.tier === offer.tier &&
  (lease.shape === undefined || lease.shape === offer.shape.name)

type Counted = Pick<LiveLease, 'workload' | 'project' | 'provider' | 'site' | 'ranks' | 'times'> & { offers: string[] }

function count(round: Round, { workload, project, provider, site, ranks, times = 1, offers }: Counted): void {
  const use = useOf(round, project)
  for (const rank of ranks) {
    use.cpuMilli += rank.cpuMilli * times
    use.accelerators += rank.accelerators * times
  }
  const nodes = ranks.length * times
  use.nodes += nodes
  add(use.nodesAt, provider, nodes)
  for (const place of [`${provider}/${site}`, provider]) add(round.copies, `${workload} ${place}`, times)
  for (const offer of offers) add(round.held, offer, nodes)
}

const add = (counts: Map<string, number>, key: string, more: number) => counts.set(key, (counts.get(key) ?? 0) + more)

export function useOf(round: Round, project: string): Use {
  let use = round.use.get(project)
  if (!use) round.use.set(project, (use = { cpuMilli: 0, accelerators: 0, nodes: 0, nodesAt: new Map() }))
  return use
}

/** How every candidate looks to a need. A queue has few different needs, so each is worked out once a round. */
export function looksOf(round: Round, need: Need): Look[] {
  const wants = JSON.stringify([need.ranks, need.resources])
  let looks = round.looks.get(wants)
  if (!looks) round.looks.set(wants, (looks = round.market.map((candidate) => lookAt(need, candidate))))
  return looks
}

function lookAt(need: Need, candidate: Candidate): Look {
  const { offer } = candidate
  const choice = choiceOf(need.resources, offer.shape)
  const slice = sliceOf(need.resources, offer, need.resources.accelerators[choice]?.count ?? 0)
  const nodePriceMicros = slicePrice(offer, slice)
  const size: Size = { shape: offer.shape.name, whole: !offer.divisible, slice }
  return { candidate, choice, slice, size, nodePriceMicros, priceMicros: nodePriceMicros * need.ranks }
}

/** Gives a gang its nodes: from now on nobody else in this round can have them. */
export function take(round: Round, need: Need, { look, packed }: { look: Look; packed: Packed | null }): LeasedRank[] {
  const { key, fleet, site } = look.candidate
  const ranks = Array.from({ length: need.ranks }, (_, rank): LeasedRank => {
    const node = packed && fleet?.nodes[packed.nodes[rank] ?? -1]
    return node ? { rank, node: node.name, ...look.slice } : { rank, ...look.slice }
  })
  if (fleet) packed?.nodes.forEach((index) => occupy(fleet, index, look.slice))
  const { provider, name } = site.info
  const { id, project } = need.workload
  count(round, { workload: id, project, provider, site: name, ranks, offers: [key] })
  return ranks
}
