import { mixTables } from '#engine/sharing/mix.ts'
import type { Judge } from '#engine/sharing/judge.ts'
import type { Share } from '#engine/sharing/mix.ts'
import { inPieces } from '#engine/sharing/waste.ts'

/**
 * The two strongest policies that came with FGD (Weng et al., "Beware of Fragmentation", USENIX ATC 2023), for comparison.
 * Both give whole points from 0 to 100 and break ties at random; here by the number of the node, which the caller draws.
 */
const points = 100

/** What is left on the node after the pod, CPUs and GPUs alike, each as a part of the largest node. */
export const bestFit: Judge = {
  value({ cpuMilli, free, first, end }) {
    let gpuMilli = 0
    for (let gpu = first; gpu < end; gpu++) gpuMilli += free[gpu] ?? 0
    return 0.5 * (cpuMilli / 128_000) + 0.5 * (gpuMilli / 8000)
  },
  cost: (_before, after) => -Math.trunc((1 - after) * points),
}

/** Fragmentation gradient descent. It knows the pods of the trace before the first arrives: those that make 95 %. */
export function fgd(pods: readonly Share[]): Judge {
  const groups = Map.groupBy(pods, ({ gpus, milli, cpuMilli }) => `${gpus} ${milli} ${cpuMilli}`)
  const counted = [...groups.values()]
    .flatMap((group) => group.slice(0, 1).map((share) => ({ share, count: group.length })))
    .sort((a, b) => b.count - a.count)
  let sum = 0
  const typical = counted.filter(({ count }) => (sum += count) - count < 0.95 * pods.length)
  const mix = mixTables(typical)
  return {
    value: (state) => inPieces(mix, state) / mix.total,
    cost: (before, after) => -Math.trunc(points / (1 + Math.exp((after - before) / 1000))),
  }
}
