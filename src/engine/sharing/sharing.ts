import { copyOfDevices, createDevices, type Devices } from './devices.ts'
import { createSlices, type Slices } from './slices.ts'
import type { Judge } from './judge.ts'

/** What is remembered of all nodes for shares of one size. */
export type Kind = {
  /** What it costs on each node; infinite where it has no room. */
  costs: Float64Array
  /** The accelerator of the node on which it costs that; -1 for one that is not shared yet. */
  devices: Int16Array
  /** How much of the log of changes it has read; -1: all nodes are to be judged. */
  cursor: number
}

/** What a cell knows of its accelerators that are shared, and of how good a place is. */
export type Sharing = {
  devices: Devices
  judge: Judge
  slices: Slices
  /** It does not learn from what is tried on a copy. */
  isCopy: boolean
  /** How bad each node is as it stands; not a number where that is to be judged. */
  values: Float64Array
  /** The last change of each node, by its number in the log, and how much of the log that is true of. */
  changed: Float64Array
  cursor: number
  /** By size, the one asked for last at the end. */
  kinds: Map<number, Kind>
  /** Work space: what is left of each accelerator of a node; where each rank of a gang stands. */
  free: Int32Array
  places: Int32Array
}

/**
 * Kinds that are remembered, fewer where there are many nodes: about 100 MB. One that was forgotten is judged from
 * scratch when it is asked for again.
 */
export const mostKinds = (nodes: number): number => Math.max(16, Math.min(512, Math.floor(8_000_000 / nodes)))

/** From the accelerators of each node. */
export function createSharing(accelerators: ArrayLike<number>, judge: Judge): Sharing {
  const most = Math.max(0, ...Array.from(new Set(Array.from(accelerators))))
  return {
    devices: createDevices(accelerators),
    judge,
    slices: createSlices(),
    isCopy: false,
    ...unjudged(accelerators.length),
    free: new Int32Array(most + 1),
    places: new Int32Array(16),
  }
}

/** A copy to try things on, for a copy of the cell whose log is empty. */
export const copyOfSharing = (sharing: Sharing): Sharing => ({
  ...sharing,
  ...unjudged(sharing.values.length),
  devices: copyOfDevices(sharing.devices),
  isCopy: true,
  free: sharing.free.slice(),
  places: sharing.places.slice(),
})

const unjudged = (nodes: number): Pick<Sharing, 'values' | 'changed' | 'cursor' | 'kinds'> => ({
  values: new Float64Array(nodes).fill(Number.NaN),
  changed: new Float64Array(nodes).fill(-1),
  cursor: 0,
  kinds: new Map(),
})

/** Judges all nodes anew: the judge has learned. */
export function forget({ values, kinds }: Sharing): void {
  values.fill(Number.NaN)
  for (const kind of kinds.values()) kind.cursor = -1
}
