import type { AcceleratorPart } from './resources.ts'

/**
 * Capacity held for an attempt: wanted → starting → held → stopping → gone.
 *
 * - `wanted`: decided and written down; the provider has not been asked yet, or has not answered.
 * - `starting`: the provider took the order; billing begins, or, where it stands in a line there, once something is held.
 * - `held`: all nodes are up.
 * - `stopping`: it is being retired; it stays so until the provider shows nothing of it any more.
 * - `gone`: nothing of it is left. `refused`: the provider did not take it, and nothing was paid.
 * - `lost`: the provider took it away, or did not show it for longer than the site's patience while its agents were
 *   silent too. When it is seen again it is fenced: it leads to `stopping`, never back to `held`, and the time between
 *   is billed, for it was there; one that is not seen again is billed until it was lost.
 */
export const leaseMoves = {
  wanted: ['starting', 'held', 'refused', 'stopping'],
  starting: ['held', 'stopping', 'lost'],
  held: ['stopping', 'lost'],
  stopping: ['gone', 'lost'],
  lost: ['stopping', 'gone'],
  gone: [],
  refused: [],
} as const satisfies Record<string, readonly string[]>
export type LeaseState = keyof typeof leaseMoves

/** States in which the capacity counts as used when placing others. */
export const occupyingStates = ['wanted', 'starting', 'held', 'stopping'] as const satisfies LeaseState[]

export type Lease = {
  id: string
  attempt: string
  workload: string
  project: string
  provider: string
  site: string
  tier: string
  /** Price of the whole lease for an hour, in micro-dollars. */
  priceMicros: number
  /** What each rank holds: the node it is on (where the engine chose one) and its slice. */
  ranks: LeasedRank[]
  state: LeaseState
  createdAt: number
  /** Billing begins when the provider took the order, or when it stood in line there no longer … */
  startedAt: number | null
  /** … and ends when nothing of it was left (gone) or it was lost for good: a provider bills a node that has nothing to do, too. */
  endedAt: number | null
  /** Entries exist up to here. */
  meteredUntil: number | null
}

export type LeasedRank = {
  rank: number
  /** Name of the node in the site's inventory; absent where the provider chooses. */
  node?: string
  /** The shape of its node where that is another than the lease's: a gang of several roles may stand on both. */
  shape?: string
  cpuMilli: number
  memoryMiB: number
  diskMiB: number
  /** Whole ones. */
  accelerators: number
  /** What it holds of one more accelerator, beside others. */
  part?: AcceleratorPart
}

/** How many ranks are on nodes of each shape, in the order of the ranks. */
export function ranksByShape({ shape, ranks }: { shape: string; ranks: readonly LeasedRank[] }): Map<string, number> {
  const counts = new Map<string, number>()
  for (const rank of ranks) counts.set(rank.shape ?? shape, (counts.get(rank.shape ?? shape) ?? 0) + 1)
  return counts
}

/** The shapes that its ranks are on, as people read them: `16cpu + 8xh200`. */
export const shapesOf = (of: { shape: string; ranks: readonly LeasedRank[] }): string =>
  [...ranksByShape(of).keys()].join(' + ')

/** Where ranks were seen that are elsewhere than they were meant to be: their nodes, by lease and rank. */
export function seatsOf(
  seen: readonly { lease: string; rank: number; node?: string }[],
): Map<string, Map<number, string>> {
  const seats = new Map<string, Map<number, string>>()
  for (const { lease, rank, node } of seen) {
    if (node === undefined) continue
    const its = seats.get(lease) ?? new Map<number, string>()
    seats.set(lease, its.set(rank, node))
  }
  return seats
}

/**
 * Ranks that hold the same, on the nodes where they were seen: who is on another's changes places with it, rather with one
 * that was not seen. A node that none of them holds is not believed.
 */
export function seatedAs(ranks: readonly LeasedRank[], seen: ReadonlyMap<number, string>): LeasedRank[] {
  const seated = ranks.map((one) => ({ ...one }))
  const isRight = ({ rank, node }: LeasedRank): boolean => seen.get(rank) === node
  for (const one of seated) {
    const node = seen.get(one.rank)
    if (node === undefined || one.node === node) continue
    const others = seated.filter((other) => other.node === node && !isRight(other) && isAlike(one, other))
    const other = others.find(({ rank }) => !seen.has(rank)) ?? others[0]
    if (other) [one.node, other.node] = [node, one.node ?? node]
  }
  return seated
}

const isAlike = (one: LeasedRank, other: LeasedRank): boolean =>
  one.cpuMilli === other.cpuMilli &&
  one.memoryMiB === other.memoryMiB &&
  one.diskMiB === other.diskMiB &&
  one.accelerators === other.accelerators &&
  one.shape === other.shape &&
  one.part === undefined &&
  other.part === undefined
