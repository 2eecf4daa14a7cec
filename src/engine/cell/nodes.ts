import { amountAtMost, amountsOf } from './cell.ts'
import { sharesOn, sharesWhenEmpty } from './portions.ts'

import type { Amounts, Cell } from './cell.ts'

/** Notes that a node changed. */
export function touch(cell: Cell, node: number): void {
  cell.log[cell.logged & (cell.log.length - 1)] = node
  cell.logged++
}

/** Ranks of a size that fit on a node now. */
export function slotsOf(cell: Cell, node: number, size: number): number {
  if (cell.usable[node] === 0 || cell.closedBy[node] !== 0) return 0
  if (cell.sizes.allowed[size]?.[cell.classOf[node] ?? 0] !== 1) return 0
  if (cell.sizes.whole[size] === 1) return cell.tenants[node] === 0 ? 1 : 0
  const times = timesIn(cell, size, { amounts: cell.free, at: 4 * node })
  return cell.sizes.share[size] === 0 ? times : Math.min(times, sharesOn(cell, node, size))
}

/** Ranks of a size that fit on a node of a class when nobody is there. */
export function slotsWhenEmpty(cell: Cell, nodeClass: number, size: number): number {
  if (cell.sizes.allowed[size]?.[nodeClass] !== 1) return 0
  if (cell.sizes.whole[size] === 1) return 1
  const times = timesIn(cell, size, { amounts: cell.capacity, at: 4 * nodeClass })
  return cell.sizes.share[size] === 0 ? times : Math.min(times, sharesWhenEmpty(cell, nodeClass, size))
}

function timesIn(cell: Cell, size: number, { amounts, at }: { amounts: Int32Array; at: number }): number {
  const needs = cell.sizes.amounts
  let times = amountAtMost
  for (let i = 0; i < 4; i++) {
    const need = needs[4 * size + i] ?? 0
    if (need === 0) continue
    const fits = ((amounts[at + i] ?? 0) / need) | 0
    if (fits < times) times = fits
  }
  return times < 0 ? 0 : times
}

/** Whether one more rank of a size has room on a node that may take it. What it does not need may be overdrawn. */
export function hasRoom(cell: Cell, node: number, size: number): boolean {
  const { amounts } = cell.sizes
  const { free } = cell
  const at = 4 * node
  const of = 4 * size
  for (let i = 0; i < 4; i++) {
    const need = amounts[of + i] ?? 0
    if ((free[at + i] ?? 0) < need && need !== 0) return false
  }
  return true
}

/** Puts one rank of a size on a node. The caller notes the change. */
export function occupy(cell: Cell, node: number, size: number): void {
  addTo(cell, node, { size, sign: -1 })
  cell.tenants[node] = (cell.tenants[node] ?? 0) + 1
}

/** Takes one rank of a size off a node. The caller notes the change. */
export function vacate(cell: Cell, node: number, size: number): void {
  addTo(cell, node, { size, sign: 1 })
  cell.tenants[node] = (cell.tenants[node] ?? 0) - 1
}

function addTo(cell: Cell, node: number, { size, sign }: { size: number; sign: number }): void {
  const { free } = cell
  const isWhole = cell.sizes.whole[size] === 1
  const from = isWhole ? cell.capacity : cell.sizes.amounts
  const at = isWhole ? 4 * (cell.classOf[node] ?? 0) : 4 * size
  const to = 4 * node
  free[to] = (free[to] ?? 0) + sign * (from[at] ?? 0)
  free[to + 1] = (free[to + 1] ?? 0) + sign * (from[at + 1] ?? 0)
  free[to + 2] = (free[to + 2] ?? 0) + sign * (from[at + 2] ?? 0)
  free[to + 3] = (free[to + 3] ?? 0) + sign * (from[at + 3] ?? 0)
}

/** A list of nodes, each as often as there are ranks on it; equal ones stand side by side. */
type Listed = { nodes: Int32Array; first: number; end: number }

/**
 * Puts one rank of a size on each node of a list (`sign` -1), or takes one off (1), and notes the change. Large gangs
 * spend their time here, so that everything that does not change from node to node is held in a variable.
 */
export function changeEach(cell: Cell, size: number, { nodes, first, end, sign }: Listed & { sign: 1 | -1 }): void {
  const { free, tenants, classOf, log } = cell
  const isWhole = cell.sizes.whole[size] === 1
  const from = isWhole ? cell.capacity : cell.sizes.amounts
  const mask = log.length - 1
  let logged = cell.logged
  for (let i = first; i < end; i++) {
    const node = nodes[i] ?? 0
    const at = isWhole ? 4 * (classOf[node] ?? 0) : 4 * size
    const to = 4 * node
    free[to] = (free[to] ?? 0) + sign * (from[at] ?? 0)
    free[to + 1] = (free[to + 1] ?? 0) + sign * (from[at + 1] ?? 0)
    free[to + 2] = (free[to + 2] ?? 0) + sign * (from[at + 2] ?? 0)
    free[to + 3] = (free[to + 3] ?? 0) + sign * (from[at + 3] ?? 0)
    tenants[node] = (tenants[node] ?? 0) - sign
    if (i + 1 === end || nodes[i + 1] !== node) log[logged++ & mask] = node
  }
  cell.logged = logged
}

/** Says of a range of nodes whether anything new may start there. Gangs that are there stay. */
export function setUsable(cell: Cell, { first, end, usable }: { first: number; end: number; usable: boolean }): void {
  for (let node = first; node < end; node++) {
    if (cell.usable[node] === Number(usable)) continue
    cell.usable[node] = Number(usable)
    touch(cell, node)
  }
}

/** Tells what others use of a node, instead of what was told before. It may be more than is free. */
export function setForeign(cell: Cell, node: number, amounts: Amounts): void {
  const { foreign, free, tenants } = cell
  const [before, after] = [foreign.subarray(4 * node, 4 * node + 4), amountsOf(amounts)]
  const wasUsed = before.some((amount) => amount > 0)
  for (let i = 0; i < 4; i++) free[4 * node + i] = (free[4 * node + i] ?? 0) + (before[i] ?? 0) - (after[i] ?? 0)
  before.set(after)
  tenants[node] = (tenants[node] ?? 0) + Number(after.some((amount) => amount > 0)) - Number(wasUsed)
  touch(cell, node)
}
