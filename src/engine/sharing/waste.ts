import { fine, starvingScale, type MixTables } from './mix.ts'
import { at, wholeAccelerator } from './devices.ts'

/**
 * What is left of one node: its class, its CPUs, and what is left of each of its accelerators in thousandths, from
 * `free[first]` to `free[end - 1]`, in any order. Those of which nothing is left, and those that are cut, may be missing.
 */
export type NodeState = { nodeClass: number; cpuMilli: number; free: Int32Array; first: number; end: number }

/** GPU in pieces counts whole, GPU that starves half. */
const piecesWeight = 2 * starvingScale

/**
 * How much of what is free on a node will go to waste, if what comes is like what came: GPU in pieces that the next
 * arrival cannot use (fragmentation as in FGD: Weng et al., "Beware of Fragmentation", USENIX ATC 2023), and half of
 * the GPU that starves because the CPUs left cannot feed it. FGD looks one arrival ahead: to it 8 GPUs with CPUs for
 * one more task are as good as 8 GPUs with CPUs for 8. The second term sees all of them, and is where the gain is.
 *
 * In thousandths of a GPU, times `2 * starvingScale`, times the arrivals in the mix: a whole number.
 */
export const waste = (mix: MixTables, state: NodeState): number =>
  piecesWeight * inPieces(mix, state) + starving(mix, state)

/** Free GPU that an arrival cannot use, summed over all arrivals of the mix. */
export function inPieces(mix: MixTables, { cpuMilli, free, first, end }: NodeState): number {
  let sum = 0
  let whole = 0
  for (let gpu = first; gpu < end; gpu++) {
    sum += at(free, gpu)
    if (at(free, gpu) === wholeAccelerator) whole++
  }
  if (sum === 0) return 0
  const { sizeGpus, sizeMilli, within, cpuSteps } = mix
  const steps = passed(cpuSteps, cpuMilli)
  let usable = 0
  for (let size = 0; size < sizeGpus.length; size++) {
    const arrivals = at(within, size * (cpuSteps.length + 1) + steps)
    if (arrivals === 0) continue
    const milli = at(sizeMilli, size)
    if (milli < wholeAccelerator) {
      for (let gpu = first; gpu < end; gpu++) if (at(free, gpu) >= milli) usable += arrivals * at(free, gpu)
    } else if (whole >= at(sizeGpus, size)) usable += arrivals * whole * wholeAccelerator
  }
  return sum * mix.total - usable
}

/**
 * Free GPU that the free CPUs cannot feed if all that comes is of one kind, summed over the kinds by the GPU that they
 * ask for; `starvingScale` times.
 */
export function starving(mix: MixTables, { cpuMilli, free, first, end }: NodeState): number {
  let sum = 0
  for (let gpu = first; gpu < end; gpu++) sum += at(free, gpu)
  const { hunger, hungerWeight, hungerFed } = mix
  let low = 0
  let high = hunger.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (at(hunger, middle) * sum > cpuMilli * fine) low = middle + 1
    else high = middle
  }
  return low === 0 ? 0 : sum * at(hungerWeight, low - 1) - cpuMilli * at(hungerFed, low - 1)
}

/** How many of the ascending steps are at most a value. */
function passed(steps: Int32Array, value: number): number {
  let low = 0
  let high = steps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (at(steps, middle) <= value) low = middle + 1
    else high = middle
  }
  return low
}
