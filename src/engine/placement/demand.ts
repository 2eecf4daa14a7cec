import type { ProjectLimits } from '#engine/market/aggregate.ts'
import { marketOf, type KeyedMarket, type Supplied, type Supply, type Wanted, type Way } from '#engine/market/demand.ts'
import { priceRun } from '#engine/market/run-price.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision } from '#model/plan.ts'
import type { Policy } from '#model/policy.ts'
import { siteKey } from '#model/site.ts'

import { createEntry } from './entry.ts'
import type { Asked, SiteFacts, Snapshot } from './facts.ts'
import { holdingsOf, type Look } from './look.ts'
import type { PlaceInput } from './place.ts'
import { nodesOf } from './prices.ts'
import { openRound, type Round } from './round.ts'
import { idOf } from './queue.ts'
import { keysOf, type Row } from './rows.ts'
import { made } from './rule-costs.ts'
import { resourceNames, type Slice } from './slice.ts'

/** Nodes where a provider does not tell how many it has: more than anybody waits for. */
const endless = 100_000
/** Rows times candidates that are priced for a market, so that it takes a fraction of a second whatever waits. */
const mostPrices = 40_000

/**
 * The market of those who wait, as the plan over aggregates sees it: rows of equals are its classes, candidates its pools.
 * Rules that somebody made bar a way and are told what that costs; what a shape lacks makes it no way at all. What is full
 * now counts with what is free; sites that do not answer with nothing.
 */
export function demandOf({ snapshot, now, defaults = {} }: PlaceInput): KeyedMarket {
  const round = openRound(snapshot, now)
  const { queue } = createEntry(snapshot, { round, defaults })
  const rows = [...new Set(queue.rowOf.values())].slice(
    0,
    Math.ceil(mostPrices / Math.max(1, round.market.candidates.length)),
  )
  return marketOf(
    rows.map((row) => wantedBy(row, round)),
    supplyOf(snapshot, round, limitsOf(snapshot, { rows, defaults })),
  )
}

function wantedBy(row: Row, round: Round): Wanted {
  const { need, members, looks } = row
  // Of several ways to stand beside one candidate's nodes the first is the cheapest.
  const firsts = looks.filter(({ candidate }, i) => looks[i - 1]?.candidate !== candidate)
  const priced = firsts.flatMap((look) => pricedAt(row, look, round))
  const soonest = Math.min(...priced.map(({ lastsMs }) => lastsMs))
  const haste = hasteOf[need.spec.objective]
  return {
    key: need.key,
    name: need.workload.name,
    project: need.project.name,
    priority: need.workload.priority,
    gangs: members.length,
    ways: priced.map(({ lastsMs, costMicros, ...way }) => ({
      ...way,
      costMicros: Math.round(costMicros * (lastsMs / soonest) ** haste),
    })),
  }
}

/** A plan is made for costs alone: who wants to end early pays for time, the more the more it matters. */
const hasteOf = { cost: 0, balance: 1, finish: 4 }

function pricedAt({ need, objections, fits }: Row, look: Look, round: Round): (Way & { lastsMs: number })[] {
  const { candidate, priceMicros, slices } = look
  const objection = objections.get(look)
  if (objection ? !made.has(objection.rule) || look.choice === -1 : !fits.some((fit) => fit.look === look)) return []
  const { site, key } = candidate
  const { commitment: _, ...offer } = candidate.offer
  const { spec, ranks, roles } = need
  const [own = { candidate, ranks, priceMicros }] = holdingsOf(need, look)
  const price = priceRun(spec, { site: site.info, offer, ranks, priceMicros, held: 0 }, round.prices.facts)
  if (!price) return []
  return [
    {
      candidate: key,
      nodes: nodesOf(own),
      accelerators: slices.reduce((sum, one, role) => sum + one.accelerators * (roles[role]?.ranks ?? 0), 0),
      costMicros: Number(price.costMicros),
      paidMicros: Number(price.parts.egress),
      lastsMs: price.finishMs,
      ...(objection ? { barredBy: objection.rule } : {}),
    },
  ]
}

function supplyOf(snapshot: Snapshot, { market, prices }: Round, limits: ProjectLimits[]): Supply {
  const freeAt = new Map(snapshot.sites.map((site) => [siteKey(site.info), freeNodes(site, snapshot)]))
  const cells = new Map<string, number>()
  const pools = market.candidates.flatMap((candidate): Supplied[] => {
    const { key, site, offer } = candidate
    const held = prices.held.get(key) ?? 0
    const named = freeAt.get(candidate.siteKey)
    const free = named ? freeOf(named, offer) : (offer.available ?? endless) - held
    const nodes = site.reach === 'reachable' ? Math.max(0, free) : 0
    const paid = Math.min(nodes, paidNodes(offer, held))
    const cell = named ? `${candidate.siteKey}/${offer.shape.name}` : key
    if (named) cells.set(cell, nodes)
    const pool = { candidate: key, cell, provider: offer.provider, tier: offer.tier }
    return [
      ...(paid > 0 ? [{ ...pool, nodes: paid, isPaid: true }] : []),
      { ...pool, nodes: nodes - paid, isPaid: false },
    ]
  })
  return { pools, cells: Object.fromEntries(cells), projects: limits }
}

/** Nodes of a commitment that nobody uses; of paid time as many as it pays for a day. */
function paidNodes({ commitment }: Offer, held: number): number {
  if (!commitment) return 0
  const { nodes = Infinity, nodeMs = Infinity } = commitment
  return Math.max(0, Math.min(nodes - held, nodeMs / 86_400_000))
}

type Free = Map<string, { whole: number; parts: number }>

const freeOf = (free: Free, { shape, divisible }: Offer): number => {
  const found = free.get(shape.name) ?? { whole: 0, parts: 0 }
  return divisible ? found.parts : found.whole
}

/** Of a site that tells its nodes: for each shape how many are empty, and how many the free parts of all amount to. */
function freeNodes({ nodes, info }: SiteFacts, { leases }: Snapshot): Free | undefined {
  if (!nodes) return undefined
  const used = new Map<string, Slice>()
  for (const { provider, site, ranks, times = 1 } of leases)
    if (provider === info.provider && site === info.name)
      for (const { node, ...slice } of ranks) if (node !== undefined) used.set(node, plus(used.get(node), slice, times))
  const free: Free = new Map()
  for (const { name, shape, usable, foreign } of nodes) {
    const taken = foreign ? plus(used.get(name), foreign, 1) : used.get(name)
    const share = taken ? Math.max(...resourceNames.map((of) => (shape[of] > 0 ? taken[of] / shape[of] : 0))) : 0
    const { whole, parts } = free.get(shape.name) ?? { whole: 0, parts: 0 }
    const left = usable ? Math.max(0, 1 - share) : 0
    free.set(shape.name, { whole: whole + Number(left === 1), parts: parts + left })
  }
  return free
}

const plus = (to: Slice | undefined, slice: Slice, times: number): Slice => ({
  cpuMilli: (to?.cpuMilli ?? 0) + slice.cpuMilli * times,
  memoryMiB: (to?.memoryMiB ?? 0) + slice.memoryMiB * times,
  diskMiB: (to?.diskMiB ?? 0) + slice.diskMiB * times,
  accelerators: (to?.accelerators ?? 0) + slice.accelerators * times,
})

/** What quotas and shares leave. Of a project in a tree nobody knows here what others lend it: it counts as not limited. */
function limitsOf(
  { projects, leases }: Snapshot,
  { rows, defaults }: { rows: Row[]; defaults: Policy },
): ProjectLimits[] {
  const parents = new Set(projects.map(({ parent }) => parent))
  const leasesOf = Map.groupBy(leases, ({ project }) => project)
  return projects.map(({ name, parent, quota, policy }) => {
    const own = leasesOf.get(name) ?? []
    const isAlone = parent === null && !parents.has(name)
    const most = isAlone ? quota.accelerators : undefined
    const used = own.reduce(
      (sum, { ranks, times = 1 }) => sum + times * ranks.reduce((all, one) => all + one.accelerators, 0),
      0,
    )
    const share = { ...defaults, ...policy }.maxProviderShare
    return {
      name,
      ...(most === undefined ? {} : { accelerators: most - used }),
      providers:
        share === undefined
          ? {}
          : sharesLeft(
              share,
              own,
              rows.filter(({ need }) => need.project.name === name),
            ),
    }
  })
}

function sharesLeft(share: number, own: Snapshot['leases'], rows: Row[]): Record<string, number> {
  const nodes = new Map<string, number>()
  for (const { provider, ranks, times = 1 } of own)
    nodes.set(provider, (nodes.get(provider) ?? 0) + ranks.length * times)
  for (const { looks } of rows)
    for (const { candidate } of looks) if (!nodes.has(candidate.offer.provider)) nodes.set(candidate.offer.provider, 0)
  const held = [...nodes.values()].reduce((sum, one) => sum + one, 0)
  const all = rows.reduce((sum, { need, members }) => sum + need.ranks * members.length, held)
  return Object.fromEntries([...nodes].map(([provider, there]) => [provider, share * all - there]))
}

/** What was placed, in the words of a plan over aggregates. */
export function gangsPlaced(decisions: readonly Decision[], waiting: readonly Asked[], now: number) {
  const askedOf = new Map(waiting.map((asked) => [idOf(asked), asked]))
  return decisions.flatMap(({ workload, replica, placement }) => {
    const asked = askedOf.get(`${workload} ${replica}`)
    if (!asked || !placement) return []
    const { provider, site, tier, shape } = placement
    return [{ key: keysOf(asked, now).key, candidate: `${provider}/${site} ${tier} ${shape}` }]
  })
}
