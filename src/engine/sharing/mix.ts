import { wholeAccelerator } from './devices.ts'

/** Counts are halved here, so that what came long ago weighs little. */
const mostCounted = 16_384
/** So many arrivals at most until what was seen counts. */
const longestWait = 1024

/** Starving GPU is told in so many parts of a thousandth, so that it is a whole number and still fine enough. */
export const starvingScale = 65_536

/** Hunger is thousandths of a CPU for a thousandth of a GPU, times this. */
export const fine = 1_000_000

/**
 * What one task asks of one node: no GPU, a fraction of one, or whole GPUs. `milli` is of each GPU: 1 to 1000 on one
 * GPU, 1000 on several, 0 without. `allowed` has 1 for each class of nodes that it may run on; without it any will do.
 */
export type Share = { gpus: number; milli: number; cpuMilli: number; allowed?: Uint8Array | undefined }

/** Which shares are asked for, and how often. */
export type Mix = {
  /** Counts one arrival. True when enough came for the tables to be made anew. */
  saw(share: Share): boolean
  /** One table a class of nodes: who may not run on it cannot use what is free there. */
  tables(classes: number): MixTables[]
}

/** A mix, laid out so that a state of a node is judged in one pass over a few dozen sizes. */
export type MixTables = {
  /** All arrivals. */
  total: number
  /** The CPU demands, ascending. */
  cpuSteps: Int32Array
  /** One size a combination of GPUs and thousandths. */
  sizeGpus: Int32Array
  sizeMilli: Int32Array
  /** For each size and each count of steps passed: arrivals of the size that need no more CPU than that. */
  within: Int32Array
  /** CPU for each GPU that arrivals need (`fine`), descending; and summed over all up to each: their weight, and … */
  hunger: Float64Array
  hungerWeight: Float64Array
  /** … their weight by the GPU (in thousandths) that a thousandth of a CPU feeds. */
  hungerFed: Float64Array
}

type Counted = { share: Share; count: number }

/**
 * Learns the mix from what arrives, and from nothing else: from the first arrivals at each doubling, later every 1,024,
 * with half the weight for the earlier ones once there are 16,384.
 */
export function createMix(): Mix {
  const counts = new Map<string, Counted>()
  let seen = 0
  let next = 1
  return {
    saw(share) {
      if (share.gpus === 0) return false
      const key = `${share.gpus} ${share.milli} ${share.cpuMilli} ${share.allowed?.join('') ?? '*'}`
      const counted = counts.get(key)
      if (counted) counted.count++
      else counts.set(key, { share, count: 1 })
      if (++seen < next) return false
      if (seen >= mostCounted) seen = halve(counts)
      next = seen + Math.min(seen, longestWait)
      return true
    },
    tables(classes) {
      const counted = [...counts.values()]
      const made = new Map<string, MixTables>()
      return Array.from({ length: classes }, (_, nodeClass) => {
        const key = counted.map(({ share }) => share.allowed?.[nodeClass] ?? 1).join('')
        const known = made.get(key) ?? mixTables(counted, nodeClass)
        made.set(key, known)
        return known
      })
    },
  }
}

/** Halves all counts, forgets what was seen once, and returns their sum. */
function halve(counts: Map<string, Counted>): number {
  let sum = 0
  for (const [key, counted] of counts) {
    counted.count >>= 1
    if (counted.count === 0) counts.delete(key)
    sum += counted.count
  }
  return sum
}

/** A mix on nodes of one class, or of any. Whole numbers throughout: they add up exactly, in any order. */
export function mixTables(counted: readonly Counted[], nodeClass?: number): MixTables {
  const total = counted.reduce((sum, { count }) => sum + count, 0)
  const withGpus = counted.filter(({ share }) => share.gpus > 0)
  const welcome = ({ share }: Counted) => !share.allowed || nodeClass === undefined || share.allowed[nodeClass] === 1
  const cpuSteps = Int32Array.from(new Set(counted.map(({ share }) => share.cpuMilli))).sort()
  const sizes = Map.groupBy(withGpus.filter(welcome), ({ share }) => share.gpus * (wholeAccelerator + 1) + share.milli)
  const within = new Int32Array(sizes.size * (cpuSteps.length + 1))
  for (const [size, members] of [...sizes.values()].entries())
    for (let steps = 1; steps <= cpuSteps.length; steps++)
      within[size * (cpuSteps.length + 1) + steps] = members
        .filter(({ share }) => share.cpuMilli <= (cpuSteps[steps - 1] ?? 0))
        .reduce((sum, { count }) => sum + count, 0)
  return {
    total,
    cpuSteps,
    sizeGpus: Int32Array.from(sizes.values(), ([first]) => first?.share.gpus ?? 0),
    sizeMilli: Int32Array.from(sizes.values(), ([first]) => first?.share.milli ?? 0),
    within,
    ...hungers(
      withGpus.map((each) => ({ ...each, hunger: welcome(each) ? hungerOf(each.share) : insatiable })),
      total,
    ),
  }
}

/** CPU for one whole GPU beyond all that a node has: what is free feeds nobody. */
const insatiable = 2 ** 40

const hungerOf = ({ gpus, milli, cpuMilli }: Share): number => Math.ceil((cpuMilli * fine) / (gpus * milli))

/** Weights by the GPUs asked for, scaled so that they add up to `starvingScale` an arrival. */
function hungers(
  counted: readonly (Counted & { hunger: number })[],
  total: number,
): Pick<MixTables, 'hunger' | 'hungerWeight' | 'hungerFed'> {
  const amount = ({ share, count }: Counted) => count * share.gpus * share.milli
  const all = counted.reduce((sum, each) => sum + amount(each), 0)
  const rows = counted.filter(({ hunger }) => hunger > 0).sort((a, b) => b.hunger - a.hunger)
  const sums = { weight: 0, fed: 0 }
  const hungerWeight = new Float64Array(rows.length)
  const hungerFed = new Float64Array(rows.length)
  for (const [index, row] of rows.entries()) {
    const weight = Math.round((starvingScale * total * amount(row)) / all)
    hungerWeight[index] = sums.weight += weight
    hungerFed[index] = sums.fed += Math.round((weight * fine) / row.hunger)
  }
  return { hunger: Float64Array.from(rows, ({ hunger }) => hunger), hungerWeight, hungerFed }
}
