import { comparePrices, type Price } from '#engine/market/price.ts'
import { priceRun, type RunFacts } from '#engine/market/run-price.ts'
import { openSteering, type Steering, type SteeringPlan } from '#engine/market/steer.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { RunPrice } from '#model/plan.ts'
import { siteKey } from '#model/site.ts'

import type { Snapshot } from './facts.ts'
import type { Look } from './look.ts'
import type { Need } from './need.ts'

/** What whole runs cost at the candidates of a round, as commitments are used up by those who were placed. */
export type Prices = {
  facts: RunFacts
  steering: Steering
  /** Nodes that we hold at a candidate. */
  held: Map<string, number>
  /** How often a commitment was drawn on in this round: prices from before may be others now. */
  draws: number
  /** What was worked out, after how many draws. */
  known: Map<Look, { draws: number; found: Weighed }>
}

/** A price with what others would give for the nodes, in micro-dollars. Undefined: it would not get done there. */
export type Weighed = { price: Price; scarcityMicros: number } | undefined

export function openPrices({ sites, leases, sent }: Snapshot, plan: SteeringPlan | undefined, now: number): Prices {
  const held = new Map<string, number>()
  for (const { provider, site, tier, shape, ranks, times = 1 } of leases) {
    const key = `${provider}/${site} ${tier} ${shape}`
    held.set(key, (held.get(key) ?? 0) + ranks.length * times)
  }
  const infos = new Map(sites.map(({ info }) => [siteKey(info), info]))
  return {
    facts: { now, sites: infos, ...(sent ? { sentBytes: sent } : {}) },
    steering: openSteering(plan, now),
    held,
    draws: 0,
    known: new Map(),
  }
}

/** What the whole run of a gang costs at a candidate now. */
export function weigh({ spec, ranks }: Need, look: Look, { facts, steering, held, draws, known }: Prices): Weighed {
  const { candidate } = look
  const { offer, key, site } = candidate
  const before = known.get(look)
  if (before && (before.draws === draws || !offer.commitment)) return before.found
  const price = priceRun(
    spec,
    { site: site.info, offer, ranks, priceMicros: look.priceMicros, held: held.get(key) ?? 0 },
    facts,
  )
  const found = price && {
    price,
    scarcityMicros: Math.round(nodesOf(look, ranks) * steering.scarcityMicros(key, price.usesCommitment)),
  }
  known.set(look, { draws, found })
  return found
}

/** Nodes that a gang takes: of a node that is divided its share of the price. */
export const nodesOf = ({ candidate: { offer }, priceMicros }: Look, ranks: number): number =>
  offer.divisible && offer.priceMicros > 0 ? Math.min(ranks, priceMicros / offer.priceMicros) : ranks

/** Which of two candidates the whole run is better at, for what the workload wants: what others would give counts as cost. */
export function compareRuns({ spec }: Need, one: Weighed, other: Weighed): number {
  if (!one || !other) return Number(!one) - Number(!other)
  return comparePrices(spec.objective, withScarcity(one), withScarcity(other))
}

const withScarcity = ({ price, scarcityMicros }: NonNullable<Weighed>): Price =>
  scarcityMicros === 0 ? price : { ...price, costMicros: price.costMicros + BigInt(scarcityMicros) }

/** A gang was placed there. */
export function drew(prices: Prices, need: Need, { candidate: { key, offer } }: Look): void {
  prices.held.set(key, (prices.held.get(key) ?? 0) + need.ranks)
  if (offer.commitment) prices.draws += 1
  prices.steering.took(need.key, key)
}

/** A lease has ended there. */
export function gaveBack(prices: Prices, { provider, site, tier, shape, ranks }: LiveLease): void {
  const key = `${provider}/${site} ${tier} ${shape}`
  prices.held.set(key, (prices.held.get(key) ?? 0) - ranks.length)
  prices.draws += 1
}

/** The price of a run as plans and people are told it; undefined where it would not get done. */
export function runOf(need: Need, look: Look, prices: Prices): RunPrice | undefined {
  const weighed = weigh(need, look, prices)
  if (!weighed) return undefined
  const { price, scarcityMicros } = weighed
  return {
    costMicros: Number(price.costMicros),
    lastsMs: price.finishMs,
    isHour: need.spec.duration.expectedMs === undefined,
    egressMicros: Number(price.parts.egress),
    lossMicros: Number(price.parts.restarts),
    usesCommitment: price.usesCommitment,
    scarcityMicros,
    ...(price.unpriced && { unpriced: [...price.unpriced] }),
  }
}
