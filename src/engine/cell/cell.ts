import { createGangs } from './gangs.ts'
import { createTree } from './tree.ts'

import type { Sharing } from '#engine/sharing/sharing.ts'
import type { Buckets } from './buckets.ts'
import type { Gangs } from './gangs.ts'
import type { Tree } from './tree.ts'

/** What a node has, or what a rank takes of it. */
export type Amounts = { accelerators: number; cpuMilli: number; memoryMiB: number; diskMiB: number }

/** A kind of node. Whoever may run on it is decided once a request, not once a node. */
export type NodeClass = Amounts & {
  shape: string
  accelerator?: string | undefined
  /** Memory of one accelerator: with the model it tells how it may be cut with MIG. */
  acceleratorMemoryMiB?: number | undefined
  labels?: Record<string, string> | undefined
  taints?: string[] | undefined
  /** What connects it beside its plain network. */
  network?: readonly string[] | undefined
}

/** The nodes of one site in the order of the tree. */
export type CellPlan = {
  classes: NodeClass[]
  /** The class of each node. */
  classOf: ArrayLike<number>
  /** For each level between the node and the site, tightest first: a number that names the domain of each node. */
  domains: ArrayLike<number>[]
}

/** What ranks of one kind take, and of which nodes. Interned: a size is a number. */
export type Sizes = {
  byKey: Map<string, number>
  /** Four amounts a size: accelerators, CPUs, memory, disk. */
  amounts: Int32Array
  /** 1 where a rank takes a whole node. */
  whole: Uint8Array
  /** Thousandths that a rank takes of one accelerator; -1 where it takes a MIG instance; 0 where it shares none. */
  share: Int16Array
  /** For each size of a MIG instance: its cut on each class, or -1. */
  cuts: (Int8Array | null)[]
  /** For each size, 1 for each class that it may run on. */
  allowed: Uint8Array[]
}

/**
 * Rules that change how much of a gang a domain can take. A level of -1: no such rule.
 * A gang in slices is counted in slices from the level of the slices upwards.
 */
export type Rules = {
  /** Ranks come in slices; all ranks of a slice stand in one domain of this level. */
  sliceLevel: number
  sliceRanks: number
  /** So many further ranks must have room in each domain of this level that the gang uses. */
  spareLevel: number
  spares: number
  /** At most so many ranks in each domain of this level. */
  spreadLevel: number
  spreadMost: number
  /** Nobody else in any domain of this level that the gang uses. */
  exclusiveLevel: number
}

export const noRules: Rules = {
  sliceLevel: -1,
  sliceRanks: 1,
  spareLevel: -1,
  spares: 0,
  spreadLevel: -1,
  spreadMost: 0,
  exclusiveLevel: -1,
}

/** What is known of one level for one form. */
export type Layer = {
  /** How much each domain can take: ranks, or slices from their level upwards. */
  units: Int32Array
  /** How much the roomiest domain could take if all of it were free. */
  most: number
  /** Null where there are so few domains that looking at each is faster. */
  buckets: Buckets | null
  /** Under rules only: room for ranks (0 in domains that are not to be entered), and nodes in use. */
  raw: Int32Array
  busy: Int32Array
}

/**
 * One way to count what is free: ranks of one size under rules. It is counted when it is first used, and then kept up
 * with the nodes that changed since it was used last; whoever asks for it rarely pays only then.
 */
export type Form = {
  cell: Cell
  size: number
  /** 1 for each class of nodes that the size may be on. */
  allowed: Uint8Array
  isWhole: boolean
  rules: Rules
  isRuled: boolean
  /** More ranks than this on one node are not counted, so that no sum of them is larger than an integer. */
  slotsAtMost: number
  /** Levels that are counted, from the nodes up. Single tasks need the nodes alone. */
  layers: Layer[]
  /** How much of the log it has read. */
  cursor: number
  /** For each level: the domain whose children are changing right now (-1: none), and by how much in all. */
  pending: Int32Array
  change: Int32Array
}

/** The nodes of one site, what is free of them, and who holds the rest. */
export type Cell = {
  tree: Tree
  classes: NodeClass[]
  classOf: Uint16Array
  /** Four amounts a class. */
  capacity: Int32Array
  /** Four amounts a node. Below 0 where others use what was given to us. */
  free: Int32Array
  foreign: Int32Array
  /** Ranks on each node, and one more where others use it. */
  tenants: Int32Array
  usable: Uint8Array
  /** The gang that has a node to itself without running there, plus 1; 0 for none. */
  closedBy: Int32Array
  /** The nodes that changed last, as a ring. Forms read it when they are used next. */
  log: Int32Array
  /** How many changes were ever written. */
  logged: number
  sizes: Sizes
  forms: Map<string, Form>
  gangs: Gangs
  /** Accelerators that are shared; null as long as nobody asked for a share. */
  sharing: Sharing | null
  /** Work space: ranks still to be given to each domain of each level. All 0 between decisions. */
  share: Int32Array[]
  /** Work space: the nodes chosen, one for each rank, then the spare ones. */
  chosen: Int32Array
}

/** The largest amount of anything, and the largest count. */
export const amountAtMost = 2 ** 31 - 1

export function createCell(plan: CellPlan): Cell {
  const nodes = plan.classOf.length
  const tree = createTree(nodes, plan.domains)
  const capacity = Int32Array.from(plan.classes.flatMap(amountsOf))
  const classOf = Uint16Array.from(plan.classOf)
  const free = new Int32Array(4 * nodes)
  for (let node = 0; node < nodes; node++)
    for (let i = 0; i < 4; i++) free[4 * node + i] = capacity[4 * (classOf[node] ?? 0) + i] ?? 0
  return {
    tree,
    classes: plan.classes,
    classOf,
    capacity,
    free,
    foreign: new Int32Array(4 * nodes),
    tenants: new Int32Array(nodes),
    usable: new Uint8Array(nodes).fill(1),
    closedBy: new Int32Array(nodes),
    log: new Int32Array(logLength(nodes)),
    logged: 0,
    sizes: {
      byKey: new Map(),
      amounts: new Int32Array(64),
      whole: new Uint8Array(16),
      share: new Int16Array(16),
      cuts: [],
      allowed: [],
    },
    forms: new Map(),
    gangs: createGangs(),
    sharing: null,
    share: Array.from(tree.counts, (count) => new Int32Array(count)),
    chosen: new Int32Array(64),
  }
}

/** To count a form again from scratch costs about as much as to read half a log of this length. */
const logLength = (nodes: number): number => Math.max(64, 2 ** Math.ceil(Math.log2(nodes + 1)))

export function amountsOf({ accelerators, cpuMilli, memoryMiB, diskMiB }: Amounts): number[] {
  const amounts = [accelerators, cpuMilli, memoryMiB, diskMiB]
  const bad = amounts.find((amount) => !Number.isInteger(amount) || amount < 0 || amount > amountAtMost)
  if (bad !== undefined) throw new RangeError(`an amount must be a whole number up to ${amountAtMost}, not ${bad}`)
  return amounts
}
