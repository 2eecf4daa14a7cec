import type { LeasedRank } from '#model/lease.ts'
import type { AcceleratorPart, AcceleratorRequest, Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'

/** What the checker knows of accelerators that are shared. Like all of it, it shares no code with the engine. */

type Holds = Pick<LeasedRank, 'accelerators' | 'part'>

/** Accelerators that ranks have of one node: whole ones, and each that they share once. */
export const acceleratorsOf = (ranks: readonly Holds[]): number =>
  ranks.reduce((sum, rank) => sum + rank.accelerators, 0) +
  new Set(ranks.flatMap(({ part }) => part?.device ?? [])).size

/** Accelerators that a rank pays for and that count against quotas, parts of them too. */
export const amountOf = ({ accelerators, part }: Holds): number => accelerators + (part?.shareMilli ?? 0) / 1000

/** Whether a rank holds what was asked for, the kind of its accelerators aside; `tasks` of them side by side. */
export function suits({ accelerators, part }: Holds, request: AcceleratorRequest, tasks: number): boolean {
  const { shareMilli, profile, count } = request
  if (shareMilli === undefined && profile === undefined) return !part && accelerators >= count * tasks
  if (!part || accelerators > 0 || part.profile !== profile) return false
  return profile !== undefined || part.shareMilli === shareMilli
}

/** Whether the accelerators of a shape are of the kind that is asked for; drivers report a little less memory than is sold. */
export function isKind({ model, memoryMiB }: AcceleratorRequest, shape: Shape): boolean {
  if (model !== undefined) return shape.accelerator?.toLowerCase() === model.toLowerCase()
  const share = memoryMiB ? shape.acceleratorMemoryMiB / memoryMiB.count : 0
  return share >= 0.93 && (memoryMiB?.atLeast === true || share <= 1)
}

/** What is wrong with the parts that ranks hold of the accelerators of one node. */
export function* partsHold({ name, shape }: Node, ranks: readonly Holds[]): Iterable<string> {
  const parts = ranks.flatMap(({ part }) => part ?? [])
  for (const [device, shares] of Map.groupBy(parts, (part) => part.device)) {
    if (device >= shape.accelerators) yield `${name} has no accelerator ${device}`
    const slices = shares.filter(({ profile }) => profile !== undefined)
    const milli = shares.reduce((sum, { shareMilli }) => sum + shareMilli, 0)
    if (slices.length > 0 && slices.length < shares.length)
      yield `accelerator ${device} of ${name} is cut, and shared beside`
    else if (slices.length === 0 && milli > 1000) yield `accelerator ${device} of ${name} is overcommitted`
    else if (!areLegal(slices, shape.acceleratorMemoryMiB)) yield `accelerator ${device} of ${name} cannot be cut so`
  }
}

/** NVIDIA's MIG User Guide, "Supported MIG Profiles": where an instance of so much compute and memory may begin. */
const starts: Record<string, readonly number[]> = {
  '1 1': [0, 1, 2, 3, 4, 5, 6],
  '1 2': [0, 2, 4, 6],
  '2 2': [0, 2, 4],
  '3 4': [0, 4],
  '4 4': [0],
  '7 8': [0],
}

function areLegal(slices: readonly AcceleratorPart[], memoryMiB: number): boolean {
  const taken: number[] = []
  for (const { profile = '', start = -1, shareMilli } of slices) {
    const [, compute = 0, gigabytes = 0] = (/^(\d)g\.(\d+)gb/.exec(profile) ?? []).map(Number)
    const eighths = (8 * gigabytes) / (memoryMiB / 1024)
    const memory = [1, 2, 4, 8].find((size) => Math.abs(size - eighths) <= size / 4) ?? 0
    if (!starts[`${compute} ${memory}`]?.includes(start)) return false
    if (shareMilli < Math.floor(1000 * Math.max(compute / 7, memory / 8))) return false
    for (let slice = start; slice < start + memory; slice++) taken.push(slice)
  }
  const media = slices.filter(({ profile }) => profile?.endsWith('+me')).length
  return media <= 1 && new Set(taken).size === taken.length
}
