import { createRandom } from '#kit/random.ts'
import type { Input } from './input.ts'
import { readTable, wholeNumber, type Row } from './table.ts'

/**
 * Nodes and pods of the production cluster that Alibaba published as openb (clusterdata, cluster-trace-gpu-v2023), in
 * the CSV files of FGD's simulator (Weng et al., "Beware of Fragmentation", USENIX ATC 2023).
 */
export type SharedNode = { gpus: number; cpuMilli: number; memoryMiB: number; model: string }

/**
 * What a pod asks of one node: no GPU, a fraction of one, or whole GPUs. `milli` is of each GPU: 1 to 1000 on one GPU,
 * 1000 on several, 0 without. `models` are the only ones it may run on; without them any will do.
 */
export type SharedTask = {
  gpus: number
  milli: number
  cpuMilli: number
  memoryMiB: number
  models?: readonly string[] | undefined
}

const nodeColumns = { required: ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'] }
const podColumns = { required: ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'] }

/** Reads a list of nodes. */
export const readOpenbNodes = (input: Input): SharedNode[] => [...readTable(input, nodeColumns)].map(nodeOf)

function nodeOf(row: Row): SharedNode {
  const gpus = wholeNumber(row, 'gpu', { most: 31 })
  const model = row.text('model')
  if (gpus > 0 && model === '') throw row.wrong('model', 'is empty', 'write the model of the GPUs, for example T4')
  return { gpus, model, cpuMilli: amount(row, 'cpu_milli'), memoryMiB: amount(row, 'memory_mib') }
}

/** Reads a list of pods. `gpu_spec` may be missing; where it names models (`V100M16|V100M32`), only those will do. */
export const readOpenbPods = (input: Input): SharedTask[] => [...readTable(input, podColumns)].map(podOf)

function podOf(row: Row): SharedTask {
  const gpus = wholeNumber(row, 'num_gpu', { most: 31 })
  const asked = wholeNumber(row, 'gpu_milli', { most: 1000, otherwise: 0 })
  if (gpus > 0 && asked === 0) throw row.wrong('gpu_milli', 'is 0, but num_gpu is not', 'write 1 to 1000')
  if (gpus > 1 && asked < 1000)
    throw row.wrong('gpu_milli', `${gpus} GPUs cannot be shared`, 'write 1000, or 1 in num_gpu')
  const models = row.text('gpu_spec').split('|').filter(Boolean)
  return {
    gpus,
    milli: gpus === 0 ? 0 : asked, // some pods without a GPU carry a number here
    cpuMilli: amount(row, 'cpu_milli'),
    memoryMiB: amount(row, 'memory_mib'),
    ...(models.length > 0 && { models }),
  }
}

/** Amounts are held in 32 bits. */
const amount = (row: Row, column: string): number => wholeNumber(row, column, { most: 2 ** 31 - 1 })

/** What a share asks for, over all its GPUs, in thousandths of a GPU. */
export const gpuMilliOf = ({ gpus, milli }: SharedTask): number => gpus * milli

/**
 * The arrivals of one run, as FGD's simulator makes them: all pods in random order, and behind them pods drawn at random
 * (with replacement) until the next one would pass `demand` times the GPUs; if the pods ask for more than that already,
 * random ones are left out instead.
 */
export function inflate(
  pods: readonly SharedTask[],
  { seed, targetMilli }: { seed: number; targetMilli: number },
): SharedTask[] {
  const random = createRandom(seed)
  const arrivals = [...pods]
  for (let last = arrivals.length - 1; last > 0; last--) swap(arrivals, last, random.below(last + 1))
  let sum = pods.reduce((all, pod) => all + gpuMilliOf(pod), 0)
  while (sum > targetMilli) {
    const [left] = arrivals.splice(random.below(arrivals.length), 1)
    sum -= left ? gpuMilliOf(left) : 0
  }
  for (;;) {
    const drawn = pods[random.below(pods.length)]
    // Compared with what it asks of one GPU, as in the original: what is asked for may end a little above the target.
    if (!drawn || sum + drawn.milli > targetMilli) return arrivals
    sum += gpuMilliOf(drawn)
    arrivals.push(drawn)
  }
}

function swap<T>(list: T[], a: number, b: number): void {
  const [first, second] = [list[a], list[b]]
  if (first !== undefined && second !== undefined) [list[a], list[b]] = [second, first]
}
