import { cutBits, mostOf, type MigCut } from './mig-cuts.ts'

/** An accelerator is shared in thousandths. */
export const wholeAccelerator = 1000

/**
 * The accelerators of all nodes that are shared right now, as structure of arrays; those of a node are a range. They are
 * taken from the node as whole ones when the first share comes, and given back when the last one goes: so whoever counts
 * whole accelerators has nothing to do with shares. Which of a node's accelerators a number means is for its provider to
 * say; here it only tells which shares stand on one.
 */
export type Devices = {
  /** The first accelerator of each node, and behind the last node the number of all. */
  first: Int32Array
  /** `closed`: it is not shared. `inFractions`, or `inSlices`: it is cut with MIG. */
  use: Uint8Array
  /** Thousandths that are left of one in fractions (below 0 where too much was adopted); of one that is cut the slices taken. */
  state: Int32Array
  /** Shares that stand on it. */
  tenants: Int32Array
}

export const closed = 0
export const inFractions = 1
export const inSlices = 2

/** Where one share stands: the number of the accelerator on its node, and for a MIG instance the slice it begins at. */
export type Place = { device: number; start: number }

/** What one share takes of one accelerator: thousandths, or with `cut` a MIG instance. */
export type Portion = { milli: number; cut: MigCut | null }

export function createDevices(accelerators: ArrayLike<number>): Devices {
  const first = new Int32Array(accelerators.length + 1)
  for (let node = 0; node < accelerators.length; node++) first[node + 1] = at(first, node) + (accelerators[node] ?? 0)
  const count = at(first, accelerators.length)
  return { first, use: new Uint8Array(count), state: new Int32Array(count), tenants: new Int32Array(count) }
}

/** A copy to try things on. */
export const copyOfDevices = ({ first, use, state, tenants }: Devices): Devices => ({
  first,
  use: use.slice(),
  state: state.slice(),
  tenants: tenants.slice(),
})

/**
 * Reads a typed array within its bounds. The 0 is never used: it satisfies the compiler, and optimised code does not
 * pay for it.
 */
export const at = (array: Int32Array | Float64Array | Uint8Array, index: number): number => array[index] ?? 0

/** Puts a share on an accelerator. True if it was not shared before: then it is no whole one any more. */
export function addShare(devices: Devices, index: number, portion: Portion & { start: number }): boolean {
  const isNew = at(devices.use, index) === closed
  if (isNew) {
    devices.use[index] = portion.cut ? inSlices : inFractions
    devices.state[index] = portion.cut ? 0 : wholeAccelerator
  }
  devices.tenants[index] = at(devices.tenants, index) + 1
  if (portion.cut) devices.state[index] = at(devices.state, index) | cutBits(portion.cut, portion.start)
  else devices.state[index] = at(devices.state, index) - portion.milli
  return isNew
}

/** Takes a share off its accelerator. True if it was the last one: then the accelerator is whole again. */
export function dropShare(devices: Devices, index: number, portion: Portion & { start: number }): boolean {
  devices.tenants[index] = at(devices.tenants, index) - 1
  if (portion.cut) devices.state[index] = at(devices.state, index) & ~cutBits(portion.cut, portion.start)
  else devices.state[index] = at(devices.state, index) + portion.milli
  if (at(devices.tenants, index) > 0) return false
  devices.use[index] = closed
  devices.state[index] = 0
  return true
}

/** The lowest number of an accelerator of a node that is not shared; -1 if all are. */
export function firstClosed({ first, use }: Devices, node: number): number {
  for (let index = at(first, node); index < at(first, node + 1); index++)
    if (at(use, index) === closed) return index - at(first, node)
  return -1
}

/** How many shares of a kind have room on a node, with so many accelerators that are whole and free. */
export function roomFor(devices: Devices, node: number, portion: Portion & { whole: number }): number {
  const { milli, cut } = portion
  let room = Math.max(0, portion.whole) * (cut ? mostOf(cut, 0) : Math.floor(wholeAccelerator / milli))
  for (let index = at(devices.first, node); index < at(devices.first, node + 1); index++) {
    const use = at(devices.use, index)
    if (use === inFractions && !cut) room += Math.max(0, Math.floor(at(devices.state, index) / milli))
    if (use === inSlices && cut) room += mostOf(cut, at(devices.state, index))
  }
  return room
}
