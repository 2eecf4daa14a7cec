import { comparePrices, type Price } from '#engine/market/price.ts'
import { priceRun, type RunFacts } from '#engine/market/run-price.ts'
import { openSteering, type Steering, type SteeringPlan } from '#engine/market/steer.ts'
import { ranksByShape } from '#model/lease.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { RunPrice } from '#model/plan.ts'
import { siteKey } from '#model/site.ts'

import type { Snapshot } from './facts.ts'
import { holdingsOf, offersOf, type Holding, type Look } from './look.ts'
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
  for (const lease of leases) hold(held, lease, lease.times ?? 1)
  const infos = new Map(sites.map(({ info }) => [siteKey(info), info]))
  return {
    facts: { now, sites: infos, ...(sent ? { sentBytes: sent } : {}) },
    steering: openSteering(plan, now),
    held,
    draws: 0,
    known: new Map(),
  }
}

function hold(held: Map<string, number>, lease: LiveLease, times: number): void {
  const { provider, site, tier, shape = '', ranks } = lease
  for (const [name, count] of ranksByShape({ shape, ranks })) {
    const key = `${provider}/${site} ${tier} ${name}`
    held.set(key, (held.get(key) ?? 0) + count * times)
  }
}

/** What the whole run of a gang costs at a candidate now. */
export function weigh(need: Need, look: Look, { facts, steering, held, draws, known }: Prices): Weighed {
  const before = known.get(look)
  if (before && (before.draws === draws || !hasCommitment(look))) return before.found
  const holdings = holdingsOf(need, look)
  const [own, ...others] = holdings.map(({ candidate: { offer, key }, ranks, priceMicros }) => ({
    offer,
    ranks,
    priceMicros,
    held: held.get(key) ?? 0,
  }))
  const price = own && priceRun(need.spec, { site: look.candidate.site.info, ...own, others }, facts)
  const scarcity = (holding: Holding, isPaid: boolean): number =>
    nodesOf(holding) * steering.scarcityMicros(holding.candidate.key, isPaid)
  const found = price && {
    price,
    scarcityMicros: Math.round(holdings.reduce((sum, one) => sum + scarcity(one, price.usesCommitment), 0)),
  }
  known.set(look, { draws, found })
  return found
}

/** Whether some of the nodes may be paid for already, so that its price may change while others are placed. */
export const hasCommitment = (look: Look): boolean => offersOf(look).some(({ commitment }) => commitment)

/** Nodes that a gang takes: of a node that is divided its share of the price. */
export const nodesOf = ({ candidate: { offer }, ranks, priceMicros }: Holding): number =>
  offer.divisible && offer.priceMicros > 0 ? Math.min(ranks, priceMicros / offer.priceMicros) : ranks

/** Which of two candidates the whole run is better at, for what the workload wants: what others would give counts as cost. */
export function compareRuns({ spec }: Need, one: Weighed, other: Weighed): number {
  if (!one || !other) return Number(!one) - Number(!other)
  return comparePrices(spec.objective, withScarcity(one), withScarcity(other))
}

const withScarcity = ({ price, scarcityMicros }: NonNullable<Weighed>): Price =>
  scarcityMicros === 0 ? price : { ...price, costMicros: price.costMicros + BigInt(scarcityMicros) }

/** A gang was placed there. */
export function drew(prices: Prices, need: Need, look: Look): void {
  for (const { candidate, ranks } of holdingsOf(need, look))
    prices.held.set(candidate.key, (prices.held.get(candidate.key) ?? 0) + ranks)
  if (hasCommitment(look)) prices.draws += 1
  prices.steering.took(need.key, look.candidate.key)
}

/** A lease has ended there. */
export function gaveBack(prices: Prices, lease: LiveLease): void {
  hold(prices.held, lease, -1)
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
