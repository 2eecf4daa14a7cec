/**
 * The sizes that an accelerator can be cut into with MIG (Multi-Instance GPU), and where each may begin: "Supported MIG
 * Profiles" of NVIDIA's MIG User Guide (docs.nvidia.com/datacenter/tesla/mig-user-guide, read in November 2026), and
 * `nvidia-smi mig -lgipp`. An accelerator has 8 slices of memory and 7 of compute. All models below are cut alike; only
 * the names differ, because they tell the memory.
 */
export type MigCut = {
  /** Its place in `migCuts`. */
  index: number
  /** Slices of compute, of 7. */
  compute: number
  /** Slices of memory, of 8, in a row. */
  memory: number
  /** The slices of memory at which it may begin. */
  starts: readonly number[]
  /** It has the media engines (JPEG, optical flow), of which an accelerator that is cut gives one set. */
  media: boolean
}

export const memorySlices = 8
export const computeSlices = 7

const everywhere = [0, 1, 2, 3, 4, 5, 6]
export const migCuts: readonly MigCut[] = [
  { index: 0, compute: 1, memory: 1, starts: everywhere, media: false },
  { index: 1, compute: 1, memory: 1, starts: everywhere, media: true },
  { index: 2, compute: 1, memory: 2, starts: [0, 2, 4, 6], media: false },
  { index: 3, compute: 2, memory: 2, starts: [0, 2, 4], media: false },
  { index: 4, compute: 3, memory: 4, starts: [0, 4], media: false },
  { index: 5, compute: 4, memory: 4, starts: [0], media: false },
  { index: 6, compute: 7, memory: 8, starts: [0], media: false },
]

/** Memory that the names tell, in GB, for one, two, four and eight slices; and the models that have so much. */
const named: readonly { models: readonly string[]; sizes: readonly [number, number, number, number] }[] = [
  { models: ['A100'], sizes: [5, 10, 20, 40] },
  { models: ['A100', 'H100'], sizes: [10, 20, 40, 80] },
  { models: ['H100'], sizes: [12, 24, 47, 94] },
  { models: ['H100', 'GH200'], sizes: [12, 24, 48, 96] },
  { models: ['H200'], sizes: [18, 35, 71, 141] },
  { models: ['B200'], sizes: [23, 45, 90, 180] },
]

/** An accelerator by its model (upper and lower case are alike) and its memory. */
export type MigModel = { model: string; memoryMiB: number }

/** The profiles of an accelerator by their names; none if it cannot be cut. */
export function migProfiles({ model, memoryMiB }: MigModel): Map<string, MigCut> {
  const off = ({ sizes }: (typeof named)[number]): number => Math.abs(memoryMiB / 1024 / sizes[3] - 1)
  const [found] = named
    .filter((each) => each.models.includes(model.toUpperCase()) && off(each) < mostOff)
    .sort((a, b) => off(a) - off(b))
  return new Map(found ? migCuts.map((cut) => [nameOf(cut, found.sizes), cut]) : [])
}

const nameOf = ({ compute, memory, media }: MigCut, sizes: readonly number[]): string =>
  `${compute}g.${sizes[Math.log2(memory)]}gb${media ? '+me' : ''}`

/** Drivers show less than a card is sold with, and some count it in decimal gigabytes. */
const mostOff = 0.1

/** The bit of a state behind those of the slices of memory: the media engines are taken. */
const mediaBit = 1 << memorySlices

/** States of an accelerator that is cut: a bit a slice of memory, and one for the media engines. */
export const cutStates = 1 << (memorySlices + 1)

/** What an instance takes: its slices of memory, and the media engines if it has them. */
export const cutBits = (cut: MigCut, start: number): number =>
  (((1 << cut.memory) - 1) << start) | (cut.media ? mediaBit : 0)

/** Where a cut may begin on an accelerator in a state. */
export const startsIn = (cut: MigCut, state: number): number[] =>
  cut.starts.filter((start) => (state & cutBits(cut, start)) === 0)

/** How many instances of a cut have room together in each state. Its starts stand so far apart that none bars another. */
const most = migCuts.map((cut) =>
  Uint8Array.from({ length: cutStates }, (_, state) => {
    const free = startsIn(cut, state).length
    return cut.media ? Math.min(1, free) : free
  }),
)

export const mostOf = (cut: MigCut, state: number): number => most[cut.index]?.[state] ?? 0

/** Slices of memory that are free in a state. */
export function slicesFree(state: number): number {
  let free = memorySlices
  for (let bits = state & (mediaBit - 1); bits !== 0; bits &= bits - 1) free--
  return free
}
