import { at, firstClosed, inFractions, inSlices, wholeAccelerator } from '#engine/sharing/devices.ts'
import { migCuts } from '#engine/sharing/mig-cuts.ts'
import { forget, mostKinds } from '#engine/sharing/sharing.ts'
import { slotsOf } from './nodes.ts'
import { nowhere, placeAt } from './portions.ts'

import type { Kind, Sharing } from '#engine/sharing/sharing.ts'
import type { NodeState } from '#engine/sharing/waste.ts'
import type { Cell } from './cell.ts'

/**
 * Where a rank goes in a cell whose accelerators are shared: on the node where a judge says that it costs the least. What
 * is found for a size is remembered for each node, and only nodes that changed are judged again. Ties go to the
 * accelerator with the least left that fits, and to the node with the lowest number.
 */

type Shared = Cell & { sharing: Sharing }

export const isSharing = (cell: Cell): cell is Shared => cell.sharing !== null

/** The best node for a rank of a size among some, or -1: none has room. Changes nothing. */
export function cheapest(cell: Shared, size: number, { first, end }: { first: number; end: number }): number {
  const { costs } = judged(cell, size)
  let best = Number.POSITIVE_INFINITY
  let chosen = -1
  for (let node = first; node < end; node++) {
    const cost = costs[node] ?? 0
    if (cost >= best) continue
    best = cost
    chosen = node
  }
  return chosen
}

/** What a rank of a size costs on a node: infinite where it has no room. */
export const costOn = (cell: Shared, size: number, node: number): number => at(judged(cell, size).costs, node)

/** … and on a node that was changed for a moment, of which nothing is to be remembered. */
export function costAfresh(cell: Shared, size: number, node: number): number {
  const kind = judged(cell, size)
  const { values } = cell.sharing
  const [cost = 0, device = 0, value = 0] = [kind.costs[node], kind.devices[node], values[node]]
  values[node] = Number.NaN
  judge({ cell, kind, size }, node)
  const found = at(kind.costs, node)
  kind.costs[node] = cost
  kind.devices[node] = device
  values[node] = value
  return found
}

/** Where the share of a rank stands best on a node that has room for it. */
export function placeOn(cell: Shared, size: number, node: number): number {
  const { devices, slices } = cell.sharing
  const share = cell.sizes.share[size] ?? 0
  if (share === 0) return nowhere
  const chosen = judged(cell, size).devices[node] ?? -1
  const device = chosen === -1 ? firstClosed(devices, node) : chosen
  const cut = migCuts[cell.sizes.cuts[size]?.[cell.classOf[node] ?? 0] ?? -1]
  const state = chosen === -1 ? 0 : at(devices.state, at(devices.first, node) + device)
  return placeAt({ device, start: cut ? slices.start(cut, state) : 0 })
}

/** Tells the judge of a rank that arrives, before a place is chosen for it. */
export function arrived({ sharing, sizes, capacity, classes }: Shared, size: number): void {
  if (sharing.isCopy) return
  const allowed = sizes.allowed[size] ?? new Uint8Array()
  const share = sizes.share[size] ?? 0
  if (share === -1) {
    const cut = migCuts[Math.max(...(sizes.cuts[size] ?? []))]
    if (cut && sharing.slices.arrived(cut)) forget(sharing)
    return
  }
  // A whole node counts as one of the first class that it may be.
  const isWhole = sizes.whole[size] === 1
  const [amounts, of] = isWhole ? [capacity, Math.max(0, allowed.indexOf(1))] : [sizes.amounts, size]
  const [gpus, cpuMilli] = [amounts[4 * of] ?? 0, amounts[4 * of + 1] ?? 0]
  const milli = share > 0 ? share : gpus > 0 ? wholeAccelerator : 0
  const isChoosy = allowed.indexOf(0) !== -1 && classes.length > 1
  const arrival = { gpus: share > 0 ? 1 : gpus, milli, cpuMilli, allowed: isChoosy ? allowed : undefined }
  if (sharing.judge.arrived?.(arrival)) forget(sharing)
}

/** What is remembered of a size, brought up to date. */
function judged(cell: Shared, size: number): Kind {
  const { sharing, log, logged, tree } = cell
  const { kinds, changed } = sharing
  readLog(cell)
  let kind = kinds.get(size)
  if (kind) kinds.delete(size) // the last asked for stands last
  else kind = { costs: new Float64Array(changed.length), devices: new Int16Array(changed.length), cursor: -1 }
  kinds.set(size, kind)
  const nodes = tree.counts[0] ?? 0
  if (kinds.size > mostKinds(nodes)) kinds.delete(kinds.keys().next().value ?? size)
  if (kind.cursor === logged) return kind
  const look = { cell, kind, size }
  if (kind.cursor < 0 || logged - kind.cursor > log.length) for (let node = 0; node < nodes; node++) judge(look, node)
  else
    for (let i = kind.cursor; i < logged; i++) {
      const node = log[i & (log.length - 1)] ?? 0
      if (changed[node] === i) judge(look, node) // of a node that changed several times the last is enough
    }
  kind.cursor = logged
  return kind
}

/** Notes which nodes changed since somebody asked. */
function readLog({ sharing, log, logged }: Shared): void {
  const { values, changed } = sharing
  if (logged - sharing.cursor > log.length) {
    values.fill(Number.NaN)
    changed.fill(-1)
    for (const kind of sharing.kinds.values()) kind.cursor = -1
  } else
    for (let i = sharing.cursor; i < logged; i++) {
      const node = log[i & (log.length - 1)] ?? 0
      values[node] = Number.NaN
      changed[node] = i
    }
  sharing.cursor = logged
}

type Look = { cell: Shared; kind: Kind; size: number }

/** An instance opens another accelerator only where none that is cut has room; its costs are above all ranks. */
const newCut = 2 ** 50

function judge(look: Look, node: number): void {
  const { cell, kind, size } = look
  kind.costs[node] = Number.POSITIVE_INFINITY
  if (slotsOf(cell, node, size) < 1) return
  const share = cell.sizes.share[size] ?? 0
  if (share > 0) judgeFraction(look, node)
  else if (share < 0) judgeCut(look, node)
  else kind.costs[node] = stepOf(look, node, { whole: cell.sizes.amounts[4 * size] ?? 0, device: -1 })
}

function judgeFraction(look: Look, node: number): void {
  const { cell, kind, size } = look
  const { first, use, state } = cell.sharing.devices
  const milli = cell.sizes.share[size] ?? 0
  const begin = at(first, node)
  let bestLeft = 0
  for (let index = begin; index < at(first, node + 1); index++) {
    const left = at(state, index)
    if (at(use, index) !== inFractions || left < milli || hasTwin(cell.sharing, begin, index)) continue
    const cost = stepOf(look, node, { whole: 0, device: index - begin })
    if (cost > at(kind.costs, node) || (cost === at(kind.costs, node) && left >= bestLeft)) continue
    kind.costs[node] = cost
    kind.devices[node] = index - begin
    bestLeft = left
  }
  if ((cell.free[4 * node] ?? 0) < 1) return
  const cost = stepOf(look, node, { whole: 1, device: -1 })
  if (cost >= at(kind.costs, node)) return
  kind.costs[node] = cost
  kind.devices[node] = -1
}

/** Whether an earlier accelerator of the node has just as much left: what is true of the one is true of the other. */
function hasTwin({ devices }: Sharing, begin: number, index: number): boolean {
  for (let other = begin; other < index; other++)
    if (at(devices.state, other) === at(devices.state, index) && at(devices.use, other) === at(devices.use, index))
      return true
  return false
}

function judgeCut(look: Look, node: number): void {
  const { cell, kind, size } = look
  const { devices, slices } = cell.sharing
  const cut = migCuts[cell.sizes.cuts[size]?.[cell.classOf[node] ?? 0] ?? -1]
  if (!cut) return
  const begin = at(devices.first, node)
  for (let index = begin; index < at(devices.first, node + 1); index++) {
    if (at(devices.use, index) !== inSlices) continue
    const rank = slices.rank(cut, at(devices.state, index))
    if (rank >= at(kind.costs, node)) continue
    kind.costs[node] = rank
    kind.devices[node] = index - begin
  }
  if (at(kind.costs, node) < Number.POSITIVE_INFINITY || (cell.free[4 * node] ?? 0) < 1) return
  kind.costs[node] = newCut + stepOf(look, node, { whole: 1, device: -1 })
  kind.devices[node] = -1
}

/** What is taken of a node: so many whole accelerators, or of one that is shared. */
type Taken = { whole: number; device: number }

/** How bad it is that a rank comes to a node. */
function stepOf({ cell, size }: Look, node: number, taken: Taken): number {
  const { values, judge: by } = cell.sharing
  let now = values[node] ?? Number.NaN
  if (Number.isNaN(now)) values[node] = now = by.value(stateOf(cell, node, { whole: 0, device: -1, milli: 0 }))
  const share = cell.sizes.share[size] ?? 0
  const after = stateOf(cell, node, { ...taken, milli: Math.max(0, share) })
  after.cpuMilli -= cell.sizes.amounts[4 * size + 1] ?? 0
  return by.cost(now, by.value(after))
}

function stateOf(cell: Shared, node: number, { whole, device, milli }: Taken & { milli: number }): NodeState {
  const { devices, free } = cell.sharing
  const begin = at(devices.first, node)
  let end = 0
  for (let index = begin; index < at(devices.first, node + 1); index++)
    if (at(devices.use, index) === inFractions)
      free[end++] = at(devices.state, index) - (index - begin === device ? milli : 0)
  for (let left = (cell.free[4 * node] ?? 0) - whole; left > 0; left--) free[end++] = wholeAccelerator
  if (whole === 1 && milli > 0) free[end++] = wholeAccelerator - milli
  return { nodeClass: cell.classOf[node] ?? 0, cpuMilli: cell.free[4 * node + 1] ?? 0, free, first: 0, end }
}
