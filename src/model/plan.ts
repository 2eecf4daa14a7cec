import type { LeasedRank } from './lease.ts'
import type { Topology } from './spec/topology.ts'

/**
 * Why a candidate was not taken: the rule, what it says of this candidate, and how far off it was. `grows`: it lacks nothing
 * but nodes, and its pools may bring them.
 */
export type Rejection = { site: string; tier: string; shape: string; rule: Rule; detail: string; grows?: true }

/** The rules of the filter, in the order in which they are asked. */
export const rules = [
  'site-unreachable',
  'recently-refused',
  'provider-not-allowed',
  'site-not-allowed',
  'tier-not-allowed',
  'jurisdiction',
  'residency',
  'image',
  'accelerator',
  'cpus',
  'memory',
  'disk',
  'network',
  'node',
  'topology',
  'deadline',
  'price',
  'capacity-block',
  'site-limit',
  'quota',
  'provider-share',
  'capacity',
  'spot-plan',
] as const
export type Rule = (typeof rules)[number]

/** What a whole run is expected to cost, in micro-dollars: what is paid for it that would not be paid without it. */
export type RunPrice = {
  costMicros: number
  /** From when its nodes are there. */
  lastsMs: number
  /** The spec does not say how long it runs, so one hour stands for it. */
  isHour: boolean
  /** Part of the cost: data that leaves another site; losses of nodes, with the work that is done again. */
  egressMicros: number
  lossMicros: number
  /** Some of its nodes are paid for anyway. */
  usesCommitment: boolean
  /** What others who wait would give for the nodes; no part of the cost. */
  scarcityMicros: number
  /** Sites that data leaves for a price that nobody has told; no part of the cost. */
  unpriced?: string[]
}

/** What a hard rule costs a run: the cheapest candidate that it alone refuses, and how much less the run would cost there. */
export type RuleCost = { rule: Rule; detail: string; site: string; tier: string; shape: string; savedMicros: number }

/** What a gang keeps from others beside the nodes of its ranks: domains, and nodes that stay free for it. */
export type Beside = { exclusive?: NonNullable<Topology['exclusive']>; spares?: string[] }

/** A chosen offer with its nodes. */
export type Placement = {
  provider: string
  site: string
  tier: string
  shape: string
  ranks: LeasedRank[]
  /** Price of the whole gang for an hour. */
  priceMicros: number
  run?: RunPrice
  beside?: Beside
}

/** A start that was promised. Times are milliseconds since the epoch. */
export type Start = {
  /** Not before somebody ends there … */
  earliest: number
  /** … and then at the latest, if all who run there end when they are known to. */
  at: number
  /** Where; and of which offer, where the provider chooses the nodes. */
  site: string
  offer?: string
  /** A later promise counts on earlier ones: in the next round they are made again in this order. */
  order: number
  /** Others leave or move for it, or have: what they held is kept for it and for nobody else until it starts. */
  made?: 'preempting' | 'moving'
  /** It comes back to nodes that are kept for it, when what is left there has ended. */
  repairs?: boolean
}

/** Why nothing was placed: one dominant cause, the evidence, and the command that helps. */
export type Refusal = {
  /** `secret`, `budget`, `deadline`, `no-project`, a rule of the filter, or `no-offers`. */
  cause: string
  /** No candidate could ever hold it, not even when all is free: waiting does not help. */
  impossible?: boolean
  /** One or two sentences for people, made once. */
  text: string
  /** What is true already but for one thing: the candidate that came closest. */
  best?: Rejection
  /** What would free it, if that is known. */
  frees?: string
  /** Some of those that wait for the same and go before it, by name, the first of them first. */
  ahead?: string[]
  /** When it is expected to start, if that is known. */
  start?: Start
  /** Commands that help, the best first. */
  next: string[]
}

/** What the plan for a job with a deadline chose: capacity that may be taken away, capacity that lasts, or to wait. */
export type DeadlineChoice = {
  does: 'spot' | 'on-demand' | 'wait'
  /** How likely the spot capacity that could be had is taken away within an hour, in millionths; absent where there is none. */
  takenPpm?: number
  /** What all the work that is left is expected to cost by the plan, and on capacity that lasts alone, in micro-dollars. */
  expectedMicros: number
  lastingMicros: number
  /** Work that is left, in milliseconds; and when it must be started on capacity that lasts at the latest to be in time. */
  workMs: number
  latest: number
  /** When it is decided anew, unless something happens before. */
  again: number
  /** What an hour on capacity that lasts costs. */
  hourMicros: number
  /** From capacity that lasts it goes back to spot capacity when that pays. */
  goesBack?: true
}

/** A decision about one replica: where it goes, or why it goes nowhere yet, and what was said of each candidate. */
export type Decision = {
  workload: string
  replica: number
  placement: Placement | null
  /** Dearer or looser candidates that would have done, best first. */
  alternatives: { site: string; tier: string; shape: string; priceMicros: number; run?: RunPrice }[]
  rejections: Rejection[]
  /** Rules that make it dearer, the one that costs most first. */
  ruleCosts?: RuleCost[]
  refusal: Refusal | null
  /** Of a job with a deadline that may use spot capacity. */
  deadline?: DeadlineChoice
  /** Who has to leave for it: it waits until they have left, and what they leave is promised to it. */
  preempts?: Preempted[]
  /** They are moved: they have room elsewhere, and may not be preempted. */
  moves?: boolean
  /** It leaves itself what it holds, and waits anew: why that pays. */
  goesBack?: string
  /** How it comes back to the nodes that were kept for it: now, or when what is left there has ended. */
  repair?: Repair
  /** The lease whose nodes need not be kept for it any more: it does not come back to them. */
  lets?: string
}

/** A gang comes back to its nodes: how many were kept, and what took the place of the others. */
export type Repair = { kept: number; replaced: { from: string; to: string }[] }

/** Whole work that leaves for other work, by the lease that it gives up. */
export type Preempted = { lease: string; workload: string; name: string }

/** `keeps 3 of its nodes; west-7 takes the place of west-1`. */
export function sayRepair({ kept, replaced }: Repair): string {
  const places = replaced.map(({ from, to }) => `${to} takes the place of ${from}`)
  return `keeps ${kept === 0 ? 'none' : kept} of its nodes; ${places.join(', ')}`
}
