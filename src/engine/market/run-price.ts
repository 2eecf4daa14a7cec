import type { Offer } from '#model/offer.ts'
import { siteKey, type Site } from '#model/site.ts'
import { hasCheckpoints } from '#model/spec/planned-to-deadline.ts'
import type { Spec } from '#model/spec/spec.ts'
import { speedPermille } from '#model/spec/throughput.ts'
import { wantedReplicas } from '#model/workload.ts'

import { egressSteps } from './egress.ts'
import { priceOf, type Price, type NodeTerms, type Run, type Terms } from './price.ts'

/** A candidate for one gang, as far as its price goes. */
export type RunCandidate = {
  site: Site
  offer: Offer
  ranks: number
  /** Of the whole gang, for an hour. */
  priceMicros: number
  /** Nodes of the offer that we hold already: they use up its commitment first. */
  held: number
  /** Nodes of other offers of the site that the gang has too; the price above is of its own alone. */
  others?: readonly Omit<RunCandidate, 'site' | 'others'>[]
}

export type RunFacts = {
  now: number
  /** By `provider/name`: where data may lie. */
  sites: ReadonlyMap<string, Site>
  /** What has left each site in this month, in bytes. */
  sentBytes?: ReadonlyMap<string, bigint>
}

const hourMs = 3_600_000
/** From the loss of a node until the run goes on: it is seen, other nodes are found, booted and set up. */
export const restartMs = 300_000

/** Time between checkpoints of who writes any: an hour where it does not say. */
export const checkpointMsOf = ({ checkpoint }: Pick<Spec, 'checkpoint'>): number => checkpoint.everyMs ?? hourMs

/** What is to be run: for who does not say how long, one hour stands. */
export function runOf(spec: Spec): Run {
  const workMs = spec.duration.expectedMs ?? hourMs
  // A service loses nothing but the time; a run without checkpoints begins again.
  const lost = spec.kind === 'service' ? 0 : workMs
  const checkpointMs = Math.min(lost, hasCheckpoints(spec) ? checkpointMsOf(spec) : lost)
  return { workMs, checkpointMs, restartMs }
}

/**
 * The marginal price of a gang's whole run at a candidate: what its commitment does not cover, expected losses, and egress
 * of the data that lies elsewhere. Undefined where it is not expected to get done.
 */
export const priceRun = (spec: Spec, candidate: RunCandidate, facts: RunFacts): Price | undefined =>
  priceOf(runOf(spec), termsOf(spec, candidate, facts))

function termsOf(spec: Spec, { site, others = [], ...own }: RunCandidate, facts: RunFacts): Terms {
  const { data, unpriced } = dataFor(spec, site, facts)
  return {
    speedPermille: speedPermille(spec, own.offer.shape.accelerator),
    ...nodeTerms(own, facts),
    ...(others.length > 0 ? { others: others.map((one) => nodeTerms(one, facts)) } : {}),
    ...(data.length > 0 ? { data } : {}),
    ...(unpriced.length > 0 ? { unpriced } : {}),
  }
}

const nodeTerms = (
  { offer: { commitment, takenPpm = 0 }, ranks, priceMicros, held }: Omit<RunCandidate, 'site' | 'others'>,
  { now }: RunFacts,
): NodeTerms => ({
  nodes: ranks,
  priceMicros: BigInt(priceMicros),
  takenPpm,
  ...(commitment ? { commitment: leftOf(commitment, held, now) } : {}),
})

const leftOf = (
  { nodes, nodeMs, until }: NonNullable<Offer['commitment']>,
  held: number,
  now: number,
): NonNullable<Terms['commitment']> => ({
  ...(nodes === undefined ? {} : { nodes: Math.max(0, nodes - held) }),
  ...(until === undefined ? {} : { leftMs: Math.max(0, until - now) }),
  ...(nodeMs === undefined ? {} : { leftNodeMs: BigInt(nodeMs) }),
  worthMicros: 0n,
})

const mebibyte = 1_048_576n

/**
 * Data sets that lie at another site, and what they pay to leave it; each counts on from the one before. `unpriced`: the sites
 * that they leave for a price that nobody has told.
 */
function dataFor(
  spec: Spec,
  to: Site,
  { sites, sentBytes }: RunFacts,
): { data: NonNullable<Terms['data']>; unpriced: string[] } {
  const sent = new Map<string, bigint>()
  // Each worker of an array reads its part; each replica of a service all of it.
  const parts = spec.kind === 'array' ? BigInt(Math.max(1, wantedReplicas(spec))) : 1n
  const unpriced = new Set<string>()
  const data = spec.data.flatMap(({ site: key, sizeMiB }) => {
    if (key === undefined || key === siteKey(to)) return []
    const from = sites.get(key)
    const prices = from && egressSteps(from, to)
    if (!from || !prices) unpriced.add(key)
    if (!prices || sizeMiB === undefined) return []
    const bytes = (BigInt(sizeMiB) * mebibyte) / parts
    const before = sent.get(siteKey(from)) ?? sentBytes?.get(siteKey(from)) ?? 0n
    sent.set(siteKey(from), before + bytes)
    return [{ bytes, prices, sentBytes: before }]
  })
  return { data, unpriced: [...unpriced] }
}
