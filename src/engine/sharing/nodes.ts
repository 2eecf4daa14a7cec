/** GPUs are shared in thousandths. */
export const wholeGpu = 1000

/** Bits of a number that names GPUs of one node. */
const mostGpus = 31

/** A node whose GPUs may be shared. */
export type SharedNode = { gpus: number; cpuMilli: number; memoryMiB: number; model: string }

/**
 * What one task asks of one node: no GPU, a fraction of one, or whole GPUs. `milli` is of each GPU: 1 to 1000 on one
 * GPU, 1000 on several, 0 without. `models` are the only ones it may run on; without them any will do.
 */
export type Share = {
  gpus: number
  milli: number
  cpuMilli: number
  memoryMiB: number
  models?: readonly string[] | undefined
}

/** What is free on the nodes of one site, as structure of arrays. The GPUs of a node are a range of `freeMilli`. */
export type SharedNodes = {
  count: number
  /** The first GPU of each node, and behind the last node the number of all GPUs. */
  firstGpu: Int32Array
  freeMilli: Int32Array
  freeCpuMilli: Int32Array
  freeMemoryMiB: Int32Array
  models: readonly string[]
  /** The model of each node, as an index into `models`. */
  modelOf: Int32Array
}

export function createSharedNodes(list: readonly SharedNode[]): SharedNodes {
  const models = [...new Set(list.map(({ model }) => model))]
  const firstGpu = new Int32Array(list.length + 1)
  for (const [node, { gpus }] of list.entries()) {
    if (gpus > mostGpus) throw new RangeError(`node ${node} has ${gpus} GPUs, more than ${mostGpus}`)
    firstGpu[node + 1] = at(firstGpu, node) + gpus
  }
  return {
    count: list.length,
    firstGpu,
    freeMilli: new Int32Array(at(firstGpu, list.length)).fill(wholeGpu),
    freeCpuMilli: Int32Array.from(list, ({ cpuMilli }) => cpuMilli),
    freeMemoryMiB: Int32Array.from(list, ({ memoryMiB }) => memoryMiB),
    models,
    modelOf: Int32Array.from(list, ({ model }) => models.indexOf(model)),
  }
}

/**
 * Reads a typed array within its bounds. The 0 is never used: it satisfies the compiler, and optimised code does not
 * pay for it.
 */
export const at = (array: Int32Array | Float64Array, index: number): number => array[index] ?? 0

export const isFraction = ({ gpus, milli }: Share): boolean => gpus === 1 && milli < wholeGpu

/** Whether a node has room for a share, its model aside. */
export function fits(nodes: SharedNodes, node: number, share: Share): boolean {
  if (at(nodes.freeCpuMilli, node) < share.cpuMilli || at(nodes.freeMemoryMiB, node) < share.memoryMiB) return false
  let missing = share.gpus
  const end = at(nodes.firstGpu, node + 1)
  for (let gpu = at(nodes.firstGpu, node); missing > 0 && gpu < end; gpu++)
    if (at(nodes.freeMilli, gpu) >= share.milli) missing--
  return missing === 0
}

/** The first GPUs of a node that are wholly free, as bits; of a fraction the one named. There must be enough. */
export function gpusFor(nodes: SharedNodes, node: number, { share, gpu }: { share: Share; gpu: number }): number {
  if (isFraction(share)) return 1 << gpu
  const first = at(nodes.firstGpu, node)
  let bits = 0
  let missing = share.gpus
  for (let index = 0; missing > 0; index++) {
    if (at(nodes.freeMilli, first + index) < wholeGpu) continue
    bits |= 1 << index
    missing--
  }
  return bits
}

/** Takes a share from GPUs of a node, or with `sign` 1 gives it back. */
export function change(nodes: SharedNodes, node: number, to: { share: Share; gpus: number; sign: 1 | -1 }): void {
  const { share, sign } = to
  nodes.freeCpuMilli[node] = at(nodes.freeCpuMilli, node) + sign * share.cpuMilli
  nodes.freeMemoryMiB[node] = at(nodes.freeMemoryMiB, node) + sign * share.memoryMiB
  const first = at(nodes.firstGpu, node)
  for (let bits = to.gpus; bits !== 0; bits &= bits - 1) {
    const gpu = first + 31 - Math.clz32(bits & -bits)
    nodes.freeMilli[gpu] = at(nodes.freeMilli, gpu) + sign * share.milli
  }
}
