import type { RankSize } from '#engine/cell/sizes.ts'
import { computeSlices, memorySlices, migProfiles, type MigCut } from '#engine/sharing/mig-cuts.ts'
import type { AcceleratorPart, AcceleratorRequest, Shape } from '#model/resources.ts'

/** What a rank takes of one accelerator of its node, beside others; on which one is chosen with the node. */
export type Part = Pick<AcceleratorPart, 'shareMilli' | 'profile'>

/** What a request is for of one accelerator of a shape; null where it is for whole ones, or for a slice that it has not. */
export function partOf({ shareMilli, profile }: AcceleratorRequest, shape: Shape): Part | null {
  if (shareMilli !== undefined) return { shareMilli }
  const cut = profile === undefined ? undefined : cutOf(profile, shape)
  return cut && profile !== undefined ? { shareMilli: milliOf(cut), profile } : null
}

/** How a profile cuts the accelerators of a shape; undefined where these cannot be had in slices, or not in such. */
function cutOf(profile: string, { mig, accelerator, acceleratorMemoryMiB }: Shape): MigCut | undefined {
  if (mig !== true || accelerator === undefined) return undefined
  return migProfiles({ model: accelerator, memoryMiB: acceleratorMemoryMiB }).get(profile)
}

/** The larger of its shares of compute and of memory: what is taken of either nobody else can have. */
const milliOf = ({ compute, memory }: MigCut): number =>
  Math.ceil(1000 * Math.max(compute / computeSlices, memory / memorySlices))

export const sizeNames = ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators', 'share', 'profile'] as const
export const isAlike = (a: RankSize, b: RankSize): boolean => sizeNames.every((name) => a[name] === b[name])

/** The part in the words of a cell. */
export const portionOf = (part: Part | undefined): { share?: number; profile?: string } =>
  part === undefined ? {} : part.profile === undefined ? { share: part.shareMilli } : { profile: part.profile }
