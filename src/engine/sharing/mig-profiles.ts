/**
 * The sizes that a GPU can be cut into with MIG (Multi-Instance GPU), and where each may begin: "Supported MIG Profiles"
 * of NVIDIA's MIG User Guide, and `nvidia-smi mig -lgipp`. A GPU has 8 slices of memory and 7 of compute. All models
 * below are cut alike; only the names differ, because they tell the memory.
 */
export type MigProfile = {
  name: string
  /** Slices of compute, of 7. */
  compute: number
  /** Slices of memory, of 8, in a row. */
  memory: number
  /** The slices of memory at which it may begin. */
  starts: readonly number[]
  /** It has the media engines (JPEG, optical flow), of which a cut GPU gives one set. */
  media: boolean
}

export const memorySlices = 8
export const computeSlices = 7

const everywhere = [0, 1, 2, 3, 4, 5, 6]
const cuts: readonly Omit<MigProfile, 'name'>[] = [
  { compute: 1, memory: 1, starts: everywhere, media: false },
  { compute: 1, memory: 1, starts: everywhere, media: true },
  { compute: 1, memory: 2, starts: [0, 2, 4, 6], media: false },
  { compute: 2, memory: 2, starts: [0, 2, 4], media: false },
  { compute: 3, memory: 4, starts: [0, 4], media: false },
  { compute: 4, memory: 4, starts: [0], media: false },
  { compute: 7, memory: 8, starts: [0], media: false },
]

/** Memory that the names tell, in GB, for one, two, four and eight slices. */
const named: Record<string, readonly [one: number, two: number, four: number, all: number]> = {
  'A100-40GB': [5, 10, 20, 40],
  'A100-80GB': [10, 20, 40, 80],
  'H100-80GB': [10, 20, 40, 80],
  'H100-96GB': [12, 24, 48, 96],
  'H200-141GB': [18, 35, 71, 141],
  'B200-180GB': [23, 45, 90, 180],
}

/** The models that can be cut. */
export const migModels: readonly string[] = Object.keys(named)

/** The profiles of a model, smallest first; none if it cannot be cut. */
export function migProfiles(model: string): MigProfile[] {
  const sizes = named[model]
  if (!sizes) return []
  return cuts.map((cut) => ({
    ...cut,
    name: `${cut.compute}g.${sizes[Math.log2(cut.memory)]}gb${cut.media ? '+me' : ''}`,
  }))
}
