import { computeSlices, memorySlices, type MigProfile } from './mig-profiles.ts'

/** The bit of a state behind those of the slices of memory: the media engines are taken. */
const mediaBit = 1 << memorySlices
const states = 1 << (memorySlices + 1)

/** After so many arrivals the mix is learned anew, and what came before weighs half. */
const learnEvery = 1024

/** GPUs of one model that are cut with MIG, and who gets which slices. Profiles go by their index. */
export type Slices = {
  /** What is taken of each GPU: a bit a slice of memory, and one for the media engines. */
  readonly taken: Uint16Array
  /** Tells of an arrival, once, before a GPU is chosen for it. */
  arrived(profile: number): void
  /** The best GPU for a profile, or -1: none has room. With `eligible` only those GPUs where it is 1. */
  choose(profile: number, eligible?: Uint8Array): number
  /** Takes slices on a GPU that has room. Returns the slice of memory at which the instance begins. */
  take(profile: number, gpu: number): number
  /** Takes slices that are known: what was placed before. */
  put(profile: number, gpu: number, start: number): void
  giveBack(profile: number, gpu: number, start: number): void
}

/**
 * Puts each instance where it spoils least of what else may come: fragmentation as in FGD (Weng et al., "Beware of
 * Fragmentation", USENIX ATC 2023), of slices. Free compute is worth what of the arrivals can begin there. A GPU has 512
 * states, so that the loss of every step stands in a table, and a decision is a look at each GPU. Ties go to the GPU with
 * the least left, then to the lowest number and start.
 */
export function createSlices(profiles: readonly MigProfile[], count: number): Slices {
  const taken = new Uint16Array(count)
  const arrivals = new Int32Array(profiles.length).fill(1) // before the first arrival all are as likely
  let seen = 0
  let table = stepsFor(profiles, arrivals)
  const put = (profile: number, gpu: number, start: number): void => {
    taken[gpu] = (taken[gpu] ?? 0) | bitsOf(profiles[profile], start)
  }
  return {
    taken,
    arrived(profile) {
      arrivals[profile] = (arrivals[profile] ?? 0) + 1
      if (++seen % learnEvery > 0) return
      table = stepsFor(profiles, arrivals)
      for (const [index, many] of arrivals.entries()) arrivals[index] = (many + 1) >> 1
    },
    choose(profile, eligible) {
      let best = none
      let chosen = -1
      for (let gpu = 0; gpu < count; gpu++) {
        const rank = table.rank[profile * states + (taken[gpu] ?? 0)] ?? none
        if (rank >= best || (eligible && eligible[gpu] !== 1)) continue
        best = rank
        chosen = gpu
      }
      return chosen
    },
    take(profile, gpu) {
      const start = table.start[profile * states + (taken[gpu] ?? 0)] ?? -1
      if (start < 0) throw new RangeError(`GPU ${gpu} has no room for ${profiles[profile]?.name}`)
      put(profile, gpu, start)
      return start
    },
    put,
    giveBack(profile, gpu, start) {
      taken[gpu] = (taken[gpu] ?? 0) & ~bitsOf(profiles[profile], start)
    },
  }
}

const none = Number.POSITIVE_INFINITY

/** What an instance takes: its slices of memory, and the media engines if it has them. */
function bitsOf(profile: MigProfile | undefined, start: number): number {
  return profile ? (((1 << profile.memory) - 1) << start) | (profile.media ? mediaBit : 0) : 0
}

/** Where a profile may begin on a GPU in a state. */
export const startsIn = (profile: MigProfile, state: number): number[] =>
  profile.starts.filter((start) => (state & bitsOf(profile, start)) === 0)

/** For each profile and state: the best start, or -1, and a rank of what that spoils; the least is best. */
function stepsFor(profiles: readonly MigProfile[], arrivals: Int32Array): { start: Int8Array; rank: Float64Array } {
  const value = Float64Array.from({ length: states }, (_, state) => usable(profiles, arrivals, state))
  const start = new Int8Array(profiles.length * states).fill(-1)
  const rank = new Float64Array(profiles.length * states).fill(none)
  for (const [index, profile] of profiles.entries())
    for (let state = 0; state < states; state++) {
      const valueAt = (at: number): number => value[state | bitsOf(profile, at)] ?? 0
      const [best] = startsIn(profile, state).sort((a, b) => valueAt(b) - valueAt(a))
      if (best === undefined) continue
      start[index * states + state] = best
      rank[index * states + state] = ((value[state] ?? 0) - valueAt(best)) * (memorySlices + 1) + slicesFree(state)
    }
  return { start, rank }
}

/** Free compute that the next arrival can use, which is all or nothing; summed over the arrivals. */
function usable(profiles: readonly MigProfile[], arrivals: Int32Array, state: number): number {
  let free = 0
  for (let slice = 0; slice < computeSlices; slice++) free += ((state >> slice) & 1) ^ 1
  let sum = 0
  for (const [index, profile] of profiles.entries())
    if (startsIn(profile, state).length > 0) sum += (arrivals[index] ?? 0) * free
  return sum
}

function slicesFree(state: number): number {
  let free = memorySlices
  for (let bits = state & (mediaBit - 1); bits !== 0; bits &= bits - 1) free--
  return free
}
