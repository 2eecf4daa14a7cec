import { amountsOf } from './cell.ts'
import { grown } from './grown.ts'

import type { Amounts, Cell, NodeClass } from './cell.ts'

/** What one rank takes: an amount of each resource, or a whole node that nobody else uses; and of which nodes. */
export type RankSize = Partial<Amounts> & {
  whole?: boolean | undefined
  /** Which nodes may be taken, by their class; all when left out. Asked once, when the request is made ready. */
  allows?: ((nodeClass: NodeClass) => boolean) | undefined
}

/** The number of a size, the same for the same amounts and classes. Sizes are never forgotten. */
export function sizeOf(cell: Cell, { whole = false, allows = () => true, ...given }: RankSize): number {
  const none = { accelerators: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
  const amounts = whole ? amountsOf(none) : amountsOf({ ...none, ...given })
  if (!whole && amounts.every((amount) => amount === 0)) throw new RangeError('a rank must take something of a node')
  const allowed = Uint8Array.from(cell.classes, (nodeClass) => Number(allows(nodeClass)))
  const { sizes } = cell
  const key = `${amounts.join(' ')} ${whole} ${allowed.join('')}`
  const known = sizes.byKey.get(key)
  if (known !== undefined) return known
  const size = sizes.byKey.size
  if (size === sizes.whole.length) {
    sizes.amounts = grown(sizes.amounts)
    sizes.whole = Uint8Array.from({ length: 2 * size }, (_, i) => sizes.whole[i] ?? 0)
  }
  sizes.amounts.set(amounts, 4 * size)
  sizes.whole[size] = Number(whole)
  sizes.allowed.push(allowed)
  sizes.byKey.set(key, size)
  return size
}

/** The resource that a size is searched by: the scarcest that it needs. */
export function leadOf(cell: Cell, size: number): keyof Amounts {
  const at = 4 * size
  if ((cell.sizes.amounts[at] ?? 0) > 0) return 'accelerators'
  if ((cell.sizes.amounts[at + 1] ?? 0) > 0) return 'cpuMilli'
  return (cell.sizes.amounts[at + 2] ?? 0) > 0 ? 'memoryMiB' : 'diskMiB'
}
