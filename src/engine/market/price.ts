import { costMicros, type Micros } from '#kit/money.ts'

import type { EgressSteps } from '#model/egress.ts'

import { egressMicros } from './egress.ts'

/** What is to be run. */
export type Run = {
  /** How long it takes on nodes of speed 1000, undisturbed. */
  workMs: number
  /** Time between checkpoints: what is lost when nodes are taken away is half of it on average. */
  checkpointMs: number
  /** From the loss of a node until the run goes on. */
  restartMs: number
}

/** What nodes of one offer cost. */
export type NodeTerms = {
  nodes: number
  /** All of them for one hour. */
  priceMicros: Micros
  /** How often one node is taken away in an hour, in millionths: 0 but for spot. */
  takenPpm: number
  /** Capacity that is paid for whether or not it is used. Beyond what is left of it, the price is paid. */
  commitment?: {
    /** Its nodes that nobody uses, and for how long it lasts; absent where there is no such limit. */
    nodes?: number
    leftMs?: number
    /** Time of nodes that is left of it. */
    leftNodeMs?: bigint
    /** What one of its nodes is worth to others for an hour (its shadow price); 0 where nobody waits for it. */
    worthMicros: Micros
  }
}

/** What a candidate asks for it. */
export type Terms = NodeTerms & {
  /** Speed of this run on this shape, in thousandths of that which `workMs` was told for; 1000 where nothing is known. */
  speedPermille: number
  /** Nodes of other offers that the gang has too. */
  others?: readonly NodeTerms[]
  /** Data that must come from elsewhere first. */
  data?: readonly {
    bytes: bigint
    prices: EgressSteps
    /** What has left that place in this month. */
    sentBytes: bigint
  }[]
  /** Sites that data leaves for a price that is not known: no part of what it costs. */
  unpriced?: readonly string[]
}

/** What a candidate costs for the whole run. The parts add up to `costMicros`. */
export type Price = {
  costMicros: Micros
  /** Until it is done, from when its nodes are there: restarts and lost work included. */
  finishMs: number
  parts: { nodes: Micros; restarts: Micros; commitment: Micros; egress: Micros }
  /** Whether some of it is paid for anyway. */
  usesCommitment: boolean
  /** Sites that data leaves for a price that is not known, which is no part of the cost. */
  unpriced?: readonly string[]
}

const ppmHours = 1_000_000n * 3_600_000n

/**
 * The marginal cost of a whole run: what is paid for it that would not be paid without it. Undefined where it is not
 * expected to finish, because nodes are taken away faster than it gets on.
 */
export function priceOf(run: Run, terms: Terms): Price | undefined {
  const quietMs = ceil(BigInt(run.workMs) * 1000n, BigInt(terms.speedPermille))
  const ms = withRestarts(run, terms, quietMs)
  if (ms === undefined) return undefined
  const quiet = paid(terms, quietMs)
  const all = paid(terms, ms)
  const moved = (terms.data ?? []).map(({ prices, sentBytes, bytes }) => egressMicros(prices, sentBytes, bytes))
  const egress = moved.reduce((sum, each) => sum + each, 0n)
  const restarts = all.price - quiet.price + all.worth - quiet.worth
  return {
    costMicros: all.price + all.worth + egress,
    finishMs: Number(ms),
    parts: { nodes: quiet.price, restarts, commitment: quiet.worth, egress },
    usesCommitment: quiet.covered > 0n,
    ...(terms.unpriced && { unpriced: terms.unpriced }),
  }
}

/**
 * How long it takes when losses are expected: T / (1 − rate × (restart + half a checkpoint)), the first order of Daly,
 * "A higher order estimate of the optimum checkpoint interval" (FGCS 2006). A gang stops when any of its nodes does.
 */
function withRestarts(run: Run, terms: Terms, quietMs: bigint): bigint | undefined {
  const lossMs = BigInt(run.restartMs + Math.ceil(run.checkpointMs / 2))
  const takenPpm = allOf(terms).reduce((sum, one) => sum + BigInt(one.nodes) * BigInt(one.takenPpm), 0n)
  const left = ppmHours - takenPpm * lossMs
  return left > 0n ? ceil(quietMs * ppmHours, left) : undefined
}

const allOf = (terms: Terms): readonly NodeTerms[] => (terms.others ? [terms, ...terms.others] : [terms])

type Paid = { price: Micros; worth: Micros; covered: bigint }

const paid = (terms: Terms, ms: bigint): Paid =>
  allOf(terms)
    .map((one) => paidFor(one, ms))
    .reduce((sum, one) => ({
      price: sum.price + one.price,
      worth: sum.worth + one.worth,
      covered: sum.covered + one.covered,
    }))

function paidFor({ nodes, priceMicros, commitment }: NodeTerms, ms: bigint): Paid {
  const all = BigInt(nodes) * ms
  const covered = commitment ? coveredBy(commitment, nodes, ms) : 0n
  return {
    price: costMicros(priceMicros, Number(all - covered)) / BigInt(nodes),
    worth: costMicros(commitment?.worthMicros ?? 0n, Number(covered)),
    covered,
  }
}

/** Time of nodes that a commitment pays for. */
function coveredBy(of: NonNullable<Terms['commitment']>, nodes: number, ms: bigint): bigint {
  const lasts = of.leftMs === undefined ? ms : least(ms, BigInt(Math.max(0, of.leftMs)))
  const most = BigInt(Math.max(0, Math.min(nodes, of.nodes ?? nodes))) * lasts
  return of.leftNodeMs === undefined ? most : least(most, of.leftNodeMs)
}

const least = (one: bigint, other: bigint): bigint => (one < other ? one : other)

const ceil = (amount: bigint, by: bigint): bigint => (amount + by - 1n) / by

/** What a workload wants of its candidates. */
export type Objective = 'cost' | 'finish' | 'balance'

/**
 * Which of two comes first. `balance` compares cost × time: a tenth more money for a tenth less time is even, whatever
 * the units. What is even goes by the other of the two, and then to the one of which all is known.
 */
export function comparePrices(objective: Objective, one: Price, other: Price): number {
  const cost = compare(one.costMicros, other.costMicros)
  const finish = one.finishMs - other.finishMs
  const unknown = Number(Boolean(one.unpriced)) - Number(Boolean(other.unpriced))
  if (objective === 'cost') return cost || finish || unknown
  if (objective === 'finish') return finish || cost || unknown
  const product = compare(one.costMicros * BigInt(one.finishMs), other.costMicros * BigInt(other.finishMs))
  return product || finish || cost || unknown
}

const compare = (one: bigint, other: bigint): number => (one < other ? -1 : Number(one > other))
