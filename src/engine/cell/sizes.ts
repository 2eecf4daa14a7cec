import { createJudge } from '#engine/sharing/judge.ts'
import { migProfiles } from '#engine/sharing/mig-cuts.ts'
import { createSharing } from '#engine/sharing/sharing.ts'
import { amountsOf } from './cell.ts'
import { grown } from './grown.ts'

import type { Judge } from '#engine/sharing/judge.ts'
import type { Amounts, Cell, NodeClass } from './cell.ts'

/** What one rank takes: an amount of each resource, or a whole node that nobody else uses; and of which nodes. */
export type RankSize = Partial<Amounts> & {
  whole?: boolean | undefined
  /** Of one accelerator so many thousandths, 1 to 999, beside others; then it takes no whole ones. */
  share?: number | undefined
  /** Of one accelerator a MIG instance of this profile, such as `1g.10gb`; then it takes no whole ones. */
  profile?: string | undefined
  /** Which nodes may be taken, by their class; all when left out. Asked once, when the request is made ready. */
  allows?: ((nodeClass: NodeClass) => boolean) | undefined
}

/** The number of a size, the same for the same amounts and classes. Sizes are never forgotten. */
export function sizeOf(
  cell: Cell,
  { whole = false, allows = () => true, share = 0, profile, ...given }: RankSize,
): number {
  const none = { accelerators: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
  const amounts = whole ? amountsOf(none) : amountsOf({ ...none, ...given })
  const isShared = share !== 0 || profile !== undefined
  if (isShared) mustBeShare({ whole, share, profile, ...given })
  else if (!whole && amounts.every((amount) => amount === 0))
    throw new RangeError('a rank must take something of a node')
  if (isShared && !cell.sharing) beginSharing(cell)
  const cuts = profile === undefined ? null : cutsOf(cell, profile)
  const allowed = Uint8Array.from(cell.classes, (nodeClass, c) => Number(cuts?.[c] !== -1 && allows(nodeClass)))
  const { sizes } = cell
  const key = `${amounts.join(' ')} ${whole} ${share} ${profile} ${allowed.join('')}`
  const known = sizes.byKey.get(key)
  if (known !== undefined) return known
  const size = sizes.byKey.size
  if (size === sizes.whole.length) {
    sizes.amounts = grown(sizes.amounts)
    sizes.whole = Uint8Array.from({ length: 2 * size }, (_, i) => sizes.whole[i] ?? 0)
    sizes.share = Int16Array.from({ length: 2 * size }, (_, i) => sizes.share[i] ?? 0)
  }
  sizes.amounts.set(amounts, 4 * size)
  sizes.whole[size] = Number(whole)
  sizes.share[size] = cuts ? -1 : share
  sizes.cuts.push(cuts)
  sizes.allowed.push(allowed)
  sizes.byKey.set(key, size)
  return size
}

/**
 * From now on accelerators of the cell may be shared, and single tasks that take of nodes with accelerators go where
 * a judge says, so that they fit together with shares. By itself this begins with the first share that is asked for.
 */
export function beginSharing(cell: Cell, judge: Judge = createJudge(cell.classes.length)): void {
  const accelerators = Int32Array.from(cell.classOf, (c) => cell.classes[c]?.accelerators ?? 0)
  cell.sharing = { ...createSharing(accelerators, judge), cursor: cell.logged }
}

function mustBeShare({ whole, share = 0, profile, accelerators = 0 }: RankSize): void {
  const isOne = profile === undefined ? Number.isInteger(share) && share > 0 && share < 1000 : share === 0
  if (!isOne || whole || accelerators !== 0)
    throw new RangeError(
      'a rank takes 1 to 999 thousandths of an accelerator, or a MIG instance, or whole accelerators',
    )
}

/** The cut that a profile names on each class of nodes, or -1. */
const cutsOf = (cell: Cell, profile: string): Int8Array =>
  Int8Array.from(cell.classes, ({ accelerator, acceleratorMemoryMiB }) =>
    accelerator === undefined || acceleratorMemoryMiB === undefined
      ? -1
      : (migProfiles({ model: accelerator, memoryMiB: acceleratorMemoryMiB }).get(profile)?.index ?? -1),
  )

/** The resource that a size is searched by: the scarcest that it needs. */
export function leadOf(cell: Cell, size: number): keyof Amounts {
  const at = 4 * size
  if ((cell.sizes.amounts[at] ?? 0) > 0) return 'accelerators'
  if ((cell.sizes.amounts[at + 1] ?? 0) > 0) return 'cpuMilli'
  return (cell.sizes.amounts[at + 2] ?? 0) > 0 ? 'memoryMiB' : 'diskMiB'
}
