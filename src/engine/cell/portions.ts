import { addShare, dropShare, roomFor, wholeAccelerator } from '#engine/sharing/devices.ts'
import { migCuts, mostOf } from '#engine/sharing/mig-cuts.ts'

import type { Place, Portion } from '#engine/sharing/devices.ts'
import type { Cell } from './cell.ts'

/** What a size takes of one accelerator on nodes of a class. */
export function portionOf({ sizes }: Cell, nodeClass: number, size: number): Portion {
  const cut = sizes.cuts[size]?.[nodeClass]
  return { milli: sizes.share[size] ?? 0, cut: cut === undefined ? null : (migCuts[cut] ?? null) }
}

/** Shares of a size that the accelerators of a node have room for. */
export function sharesOn(cell: Cell, node: number, size: number): number {
  const { sharing, free, classOf } = cell
  if (!sharing) return 0
  return roomFor(sharing.devices, node, { ...portionOf(cell, classOf[node] ?? 0, size), whole: free[4 * node] ?? 0 })
}

/** … and those of a node of a class when nobody is there. */
export function sharesWhenEmpty(cell: Cell, nodeClass: number, size: number): number {
  const { milli, cut } = portionOf(cell, nodeClass, size)
  return (cut ? mostOf(cut, 0) : Math.floor(wholeAccelerator / milli)) * (cell.capacity[4 * nodeClass] ?? 0)
}

/**
 * Where the share of a rank stands, as one number: of the accelerator on its node, and above 16 bits where a MIG instance
 * begins. Without a place a rank that shares holds a whole accelerator, and any other what it takes.
 */
export const nowhere = -1
export const placeAt = ({ device, start }: Place): number => (start << 16) | device
export const placeOf = (place: number): Place | null =>
  place === nowhere ? null : { device: place & 0xffff, start: place >> 16 }

/**
 * Puts the share of a rank on an accelerator of its node, or with `sign` 1 takes it off. The first on an accelerator
 * takes it from the node, and the last one gives it back.
 */
export function moveShare(cell: Cell, node: number, to: { size: number; place: number; sign: 1 | -1 }): void {
  const { sharing, free } = cell
  const { size, place, sign } = to
  if (!sharing || cell.sizes.share[size] === 0) return
  const { device, start } = placeOf(place) ?? { device: 0, start: 0 }
  const share = { ...portionOf(cell, cell.classOf[node] ?? 0, size), start }
  const index = (sharing.devices.first[node] ?? 0) + device
  const change = sign === -1 ? addShare : dropShare
  if (place === nowhere || change(sharing.devices, index, share)) free[4 * node] = (free[4 * node] ?? 0) + sign
}
