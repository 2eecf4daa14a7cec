import { at, change, fits, gpusFor, isFraction, wholeGpu, type Share, type SharedNodes } from './nodes.ts'
import { createValues, type Judge } from './values.ts'

/**
 * Kinds that a pool knows, fewer where it has many nodes: about 100 MB. A kind that it forgets still works, and is only
 * judged from scratch when it is asked for again.
 */
const mostKinds = (nodes: number): number => Math.max(16, Math.min(512, Math.floor(8_000_000 / nodes)))

/** A share as the pool knows it, with what it remembers of each node for it. */
export type Kind = {
  readonly share: Share
  /** 1 for each model that it may run on. */
  readonly allowed: Uint8Array
  /** What it costs on each node; infinite where it does not fit. */
  readonly costs: Float64Array
  /** The GPU of each node where it costs that, for a fraction. */
  readonly gpus: Int8Array
  /** The state of each node that the cost is of. */
  readonly seen: Int32Array
}

/** Nodes whose GPUs are shared, and who goes where. */
export type Pool = {
  readonly nodes: SharedNodes
  /** The kind of a share. Equal shares are one kind, unless hundreds of others were asked for in between. */
  kindOf(share: Share): Kind
  /** The best node for a kind, or -1: none has room. Changes nothing. */
  choose(kind: Kind): number
  /** What a kind costs on a node: infinite where it does not fit. */
  costOn(kind: Kind, node: number): number
  /** Puts a kind on a node that has room for it. Returns the GPUs taken, as bits. */
  take(kind: Kind, node: number): number
  /** Puts a kind on GPUs that are known, as bits: what was placed before this pool was made. */
  put(kind: Kind, node: number, gpus: number): void
  giveBack(kind: Kind, node: number, gpus: number): void
  /** Judge all nodes anew: the judge has changed. */
  forget(): void
}

/**
 * A pool of shared GPUs. A step on one node makes stale what is remembered of that node alone, so that a decision
 * judges only the nodes that changed since the same kind was asked for last. Ties go to the GPU with the least left
 * that fits, and to the node with the lowest number. Nothing is allocated for a decision.
 */
export function createPool(nodes: SharedNodes, judge: Judge): Pool {
  const kinds = new Map<string, Kind>()
  const values = createValues(nodes, judge)

  const judgeFraction = (kind: Kind, node: number): void => {
    const first = at(nodes.firstGpu, node)
    const end = at(nodes.firstGpu, node + 1)
    let bestFree = 0
    kind.costs[node] = Number.POSITIVE_INFINITY
    for (let gpu = first; gpu < end; gpu++) {
      const free = at(nodes.freeMilli, gpu)
      if (free < kind.share.milli || hasTwin(nodes.freeMilli, first, gpu)) continue
      const cost = judge.cost(values.now(node), values.after(node, kind.share, gpu - first))
      if (cost > at(kind.costs, node) || (cost === at(kind.costs, node) && free >= bestFree)) continue
      kind.costs[node] = cost
      kind.gpus[node] = gpu - first
      bestFree = free
    }
  }

  const costOn = (kind: Kind, node: number): number => {
    if (at(kind.seen, node) === at(values.changed, node)) return at(kind.costs, node)
    kind.seen[node] = at(values.changed, node)
    if (kind.allowed[at(nodes.modelOf, node)] !== 1 || !fits(nodes, node, kind.share))
      kind.costs[node] = Number.POSITIVE_INFINITY
    else if (isFraction(kind.share)) judgeFraction(kind, node)
    else kind.costs[node] = judge.cost(values.now(node), values.after(node, kind.share, -1))
    return at(kind.costs, node)
  }

  const put = (kind: Kind, node: number, gpus: number): void => {
    change(nodes, node, { share: kind.share, gpus, sign: -1 })
    values.touch(node)
  }

  return {
    nodes,
    costOn,
    kindOf(share) {
      const key = keyOf(share)
      const kind = kinds.get(key) ?? kindFor(nodes, share)
      kinds.delete(key) // the last asked for stands last
      kinds.set(key, kind)
      if (kinds.size > mostKinds(nodes.count)) kinds.delete(kinds.keys().next().value ?? key)
      return kind
    },
    choose: (kind) => cheapest(kind, nodes.count, costOn),
    take(kind, node) {
      if (costOn(kind, node) === Number.POSITIVE_INFINITY) throw new RangeError(`node ${node} has no room for this`)
      const gpus = gpusFor(nodes, node, { share: kind.share, gpu: kind.gpus[node] ?? 0 })
      put(kind, node, gpus)
      return gpus
    },
    put,
    giveBack(kind, node, gpus) {
      change(nodes, node, { share: kind.share, gpus, sign: 1 })
      values.touch(node)
    },
    forget() {
      for (let node = 0; node < nodes.count; node++) values.touch(node)
    },
  }
}

function cheapest(kind: Kind, count: number, costOn: Pool['costOn']): number {
  let best = Number.POSITIVE_INFINITY
  let chosen = -1
  for (let node = 0; node < count; node++) {
    const cost = costOn(kind, node)
    if (cost >= best) continue
    best = cost
    chosen = node
  }
  return chosen
}

/** Whether an earlier GPU of the node has just as much left: what is true of the one is true of the other. */
function hasTwin(free: Int32Array, first: number, gpu: number): boolean {
  for (let other = first; other < gpu; other++) if (at(free, other) === at(free, gpu)) return true
  return false
}

const keyOf = ({ gpus, milli, cpuMilli, memoryMiB, models }: Share): string =>
  `${gpus} ${milli} ${cpuMilli} ${memoryMiB} ${models ? [...new Set(models)].sort().join('|') : '*'}`

function kindFor(nodes: SharedNodes, share: Share): Kind {
  const { gpus, milli } = share
  const sound = gpus === 0 ? milli === 0 : gpus === 1 ? milli > 0 && milli <= wholeGpu : milli === wholeGpu
  if (!sound || gpus < 0) throw new RangeError(`${gpus} GPUs of ${milli} thousandths each cannot be shared`)
  return {
    share,
    allowed: Uint8Array.from(nodes.models, (model) => (share.models && !share.models.includes(model) ? 0 : 1)),
    costs: new Float64Array(nodes.count),
    gpus: new Int8Array(nodes.count),
    seen: new Int32Array(nodes.count),
  }
}
