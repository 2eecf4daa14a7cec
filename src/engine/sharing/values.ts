import { at, isFraction, wholeGpu, type Share, type SharedNodes } from './nodes.ts'

/**
 * The state of one node: its model as an index, CPUs left, and what is left of each of its GPUs, `free[first]` to
 * `free[end - 1]`.
 */
export type NodeState = { model: number; cpuMilli: number; free: Int32Array; first: number; end: number }

/** What decides among the nodes that have room. */
export type Judge = {
  /** How bad a state of a node is. */
  value(state: NodeState): number
  /** How bad a step from a state of one value to one of another is: the least is taken. */
  cost(before: number, after: number): number
}

/** What a judge says of nodes as they are, and as they would be. */
export type Values = {
  /** Counts the changes of each node. What was found at another count is stale. */
  readonly changed: Int32Array
  now(node: number): number
  /** With a share taken from it; `gpu` counts within the node, and matters for a fraction. */
  after(node: number, share: Share, gpu: number): number
  touch(node: number): void
}

export function createValues(nodes: SharedNodes, judge: Judge): Values {
  const changed = new Int32Array(nodes.count).fill(1)
  const values = new Float64Array(nodes.count)
  const seen = new Int32Array(nodes.count)
  const scratch = new Int32Array(32)
  const state: NodeState = { model: 0, cpuMilli: 0, free: scratch, first: 0, end: 0 }
  return {
    changed,
    now(node) {
      if (at(seen, node) === at(changed, node)) return at(values, node)
      state.model = at(nodes.modelOf, node)
      state.cpuMilli = at(nodes.freeCpuMilli, node)
      state.free = nodes.freeMilli
      state.first = at(nodes.firstGpu, node)
      state.end = at(nodes.firstGpu, node + 1)
      seen[node] = at(changed, node)
      return (values[node] = judge.value(state))
    },
    after(node, share, gpu) {
      const first = at(nodes.firstGpu, node)
      const count = at(nodes.firstGpu, node + 1) - first
      const fraction = isFraction(share)
      let missing = share.gpus
      for (let index = 0; index < count; index++) {
        const free = at(nodes.freeMilli, first + index)
        const taken = fraction ? index === gpu : missing > 0 && free === wholeGpu
        if (taken) missing--
        scratch[index] = taken ? free - share.milli : free
      }
      state.model = at(nodes.modelOf, node)
      state.cpuMilli = at(nodes.freeCpuMilli, node) - share.cpuMilli
      state.free = scratch
      state.first = 0
      state.end = count
      return judge.value(state)
    },
    touch(node) {
      changed[node] = at(changed, node) + 1
    },
  }
}
