import {
  computeSlices,
  cutStates,
  memorySlices,
  migCuts,
  slicesFree,
  startsIn,
  cutBits,
  type MigCut,
} from './mig-cuts.ts'

/** After so many arrivals the mix is learned anew, and what came before weighs half. */
const learnEvery = 1024

/** Says where an instance spoils least on an accelerator that is cut with MIG. */
export type Slices = {
  /** Tells of an arrival, once, before a place is chosen for it. True when all states are to be judged anew. */
  arrived(cut: MigCut): boolean
  /** What an instance spoils in a state, the least is best; infinite where it has no room. A whole number. */
  rank(cut: MigCut, state: number): number
  /** Where it then begins; -1 where it has no room. */
  start(cut: MigCut, state: number): number
}

/**
 * Fragmentation as in FGD (Weng et al., "Beware of Fragmentation", USENIX ATC 2023), of slices: free compute is worth
 * what of the arrivals can begin there. There are 512 states, so that the loss of every step stands in a table. Ties go
 * to the accelerator with the least left, then to the lowest start.
 */
export function createSlices(): Slices {
  const arrivals = new Int32Array(migCuts.length).fill(1) // before the first arrival all are as likely
  let seen = 0
  let table = stepsFor(arrivals)
  return {
    arrived({ index }) {
      arrivals[index] = (arrivals[index] ?? 0) + 1
      if (++seen % learnEvery > 0) return false
      table = stepsFor(arrivals)
      for (const [each, many] of arrivals.entries()) arrivals[each] = (many + 1) >> 1
      return true
    },
    rank: ({ index }, state) => table.rank[index * cutStates + state] ?? none,
    start: ({ index }, state) => table.start[index * cutStates + state] ?? -1,
  }
}

const none = Number.POSITIVE_INFINITY

/** For each cut and state: the best start, or -1, and a rank of what that spoils; the least is best. */
function stepsFor(arrivals: Int32Array): { start: Int8Array; rank: Float64Array } {
  const value = Float64Array.from({ length: cutStates }, (_, state) => usable(arrivals, state))
  const start = new Int8Array(migCuts.length * cutStates).fill(-1)
  const rank = new Float64Array(migCuts.length * cutStates).fill(none)
  for (const cut of migCuts)
    for (let state = 0; state < cutStates; state++) {
      const valueAt = (at: number): number => value[state | cutBits(cut, at)] ?? 0
      const [best] = startsIn(cut, state).sort((a, b) => valueAt(b) - valueAt(a))
      if (best === undefined) continue
      const at = cut.index * cutStates + state
      start[at] = best
      rank[at] = ((value[state] ?? 0) - valueAt(best)) * (memorySlices + 1) + slicesFree(state)
    }
  return { start, rank }
}

/** Free compute that the next arrival can use, which is all or nothing; summed over the arrivals. */
function usable(arrivals: Int32Array, state: number): number {
  let free = 0
  for (let slice = 0; slice < computeSlices; slice++) free += ((state >> slice) & 1) ^ 1
  let sum = 0
  for (const cut of migCuts) if (startsIn(cut, state).length > 0) sum += (arrivals[cut.index] ?? 0) * free
  return sum
}
