import type { SpotPlan } from '#engine/market/spot-plan.ts'
import type { SpotWatch } from '#engine/market/spot-rates.ts'
import type { SteeringPlan } from '#engine/market/steer.ts'
import { passes } from '#engine/queue/request.ts'
import { createQuotaTree, type Amounts } from '#engine/queue/quota.ts'
import type { Reservation } from '#engine/queue/request.ts'
import type { LeasedRank } from '#model/lease.ts'

import { domainsHeld } from './domains.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Snapshot } from './facts.ts'
import type { Look } from './look.ts'
import { marketOf, type Market } from './market.ts'
import type { Need } from './need.ts'
import type { Planned } from './planned.ts'
import { openPrices, type Prices } from './prices.ts'
import { idOf } from './queue.ts'
import { countsDomains, quotaNodes, type Quotas } from './quotas.ts'
import { acceleratorMilliOf, dominantShare } from './slice.ts'

/** One round of placement: the facts, and what was given away in it so far. Nothing of it outlives the round. */
export type Round = Quotas & {
  now: number
  market: Market
  leases: LiveLease[]
  /** Those of them who were placed since it began, by what they go by in it. */
  started: Map<string, LiveLease>
  /** The nodes of a project in all and by provider. */
  use: Map<string, Use>
  /** Replicas of a workload at a site or provider, by `workload site` and `workload provider`. */
  copies: Map<string, number>
  prices: Prices
  /** What was seen of spot markets, and how those are placed who are planned on them, by what they want. */
  spot: Snapshot['spot']
  planned: Map<string, Planned>
  spotMarkets: Map<string, SpotMarket>
  /** Who runs may be moved, and so may go back from capacity that lasts to spot capacity. */
  moves: boolean
  /** The start that is promised in a cell. */
  promisedIn: (cell: number) => Reservation | null
  /** All starts that are promised, with those for whom others have to leave. */
  promises: () => readonly Reservation[]
  /** Those who wait, by what they go by in the round. */
  names: Map<string, string>
}

/** What is known of zones that are watched together, and the plans on them, by what is planned. */
export type SpotMarket = { watch: SpotWatch; plans: Map<string, SpotPlan> }

export type Use = { nodes: number; nodesAt: Map<string, number> }

export function openRound(snapshot: Snapshot, now: number, plan?: SteeringPlan): Round {
  const quotas = quotaNodes(
    snapshot.projects,
    snapshot.leases.map(({ project }) => project),
  )
  const round: Round = {
    now,
    market: marketOf(snapshot.sites),
    leases: snapshot.leases.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    started: new Map(),
    quotaOf: new Map(quotas.map((node) => [node.name, node])),
    quota: createQuotaTree(quotas),
    use: new Map(),
    copies: new Map(),
    prices: openPrices(snapshot, plan, now),
    spot: snapshot.spot,
    planned: new Map(),
    spotMarkets: new Map(),
    moves: false,
    promisedIn: () => null,
    promises: () => [],
    domains: countsDomains(snapshot.projects),
    names: new Map(snapshot.waiting.map((asked) => [idOf(asked), asked.workload.name])),
  }
  for (const lease of round.leases) count(round, lease)
  return round
}

type Counted = Pick<LiveLease, 'workload' | 'project' | 'provider' | 'site' | 'ranks' | 'times' | 'beside'>

/** Counts what a lease holds, or somebody who was placed. */
export function count(round: Round, lease: Counted): void {
  const { workload, project, provider, site, ranks, times = 1 } = lease
  const use = useOf(round, project)
  use.nodes += ranks.length * times
  add(use.nodesAt, provider, ranks.length * times)
  for (const place of [`${provider}/${site}`, provider]) add(round.copies, `${workload} ${place}`, times)
  round.quota.add(project, heldBy(lease, round))
}

/** What was counted of a lease holds somebody else from now on. */
export function uncount(round: Round, lease: LiveLease): void {
  const { workload, project, provider, site, ranks, times = 1 } = lease
  const use = useOf(round, project)
  use.nodes -= ranks.length * times
  add(use.nodesAt, provider, -ranks.length * times)
  for (const place of [`${provider}/${site}`, provider]) add(round.copies, `${workload} ${place}`, -times)
  round.quota.remove(project, heldBy(lease, round))
}

/** What a lease holds, its spare nodes among it, against quotas and shares. */
export function heldBy(lease: Omit<Counted, 'workload' | 'project'>, { market, domains }: Round): Amounts {
  const { provider, site, times = 1, beside } = lease
  const ranks = withSpares(lease)
  const sum = (of: (rank: LeasedRank) => number) => ranks.reduce((total, rank) => total + of(rank), 0) * times
  const amounts = {
    accelerators: sum(acceleratorMilliOf),
    nodes: ranks.length * times,
    cpuMilli: sum((rank) => rank.cpuMilli),
    memoryMiB: sum((rank) => rank.memoryMiB),
  }
  if (!domains) return amounts
  const ground = market.namedAt.get(`${provider}/${site}`) ?? market.elsewhere
  const shares = ranks.map((rank) => {
    const nodeClass = ground.cell.classes[ground.cell.classOf[ground.numberOf.get(rank.node ?? '') ?? -1] ?? -1]
    return nodeClass ? dominantShare(rank, nodeClass) : 1
  })
  const nodes = shares.reduce((total, share) => total + share, 0) * times
  return { ...amounts, ...domainsHeld(ground, nodes, beside?.exclusive) }
}

/** Its ranks, and as many more on the nodes that are kept for one of them. */
export function withSpares({ ranks, beside }: Pick<Counted, 'ranks' | 'beside'>): LeasedRank[] {
  const [first] = ranks
  return [...ranks, ...(beside?.spares ?? []).flatMap((node) => (first ? [{ ...first, node }] : []))]
}

const add = (counts: Map<string, number>, key: string, more: number) => counts.set(key, (counts.get(key) ?? 0) + more)

export function useOf(round: Round, project: string): Use {
  let use = round.use.get(project)
  if (!use) round.use.set(project, (use = { nodes: 0, nodesAt: new Map() }))
  return use
}

/** The name of the one to whom the room of a candidate is promised, if that keeps this one from it. */
export function promisedBefore(need: Need, { candidate }: Look, round: Round): string | null {
  const promise = round.promisedIn(candidate.ground.number)
  if (!promise || promise.owner.want.key === need.key || passes(promise, round.now + need.lastsMs)) return null
  if (promise.nodes.length === 0 || promise.owner.want.family === need.family) return null
  return round.names.get(promise.request.id) ?? 'another'
}

/**
 * A gang goes whole, so a share can only be kept to the nearest gang: a provider that is below its share, counted with
 * this gang, may take it. Anything stricter could never place the first one, nor any once the shares are even.
 */
export function isWithinShare({ policy, project, ranks }: Need, { candidate }: Look, round: Round): boolean {
  if (policy.maxProviderShare === undefined) return true
  const use = useOf(round, project.name)
  const there = use.nodesAt.get(candidate.offer.provider) ?? 0
  return there < policy.maxProviderShare * (use.nodes + ranks)
}
