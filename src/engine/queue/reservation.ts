import { nodesAtMost, nodesOf } from '#engine/cell/heads.ts'
import { touch } from '#engine/cell/nodes.ts'
import { refusals, release, take } from '#engine/cell/take.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Cell } from '#engine/cell/cell.ts'
import type { QuotaTree } from './quota.ts'
import type { Held, Reservation, Signature, Way } from './request.ts'

/** No gang has this number. */
const reserved = 2 ** 31 - 1

/** Closes the nodes of a reservation to all, or opens them again. */
export function setFence(cell: Cell, reservation: Reservation, open: boolean): void {
  if (open === (reservation.shut.length === 0)) return
  if (!open) reservation.shut = reservation.nodes.filter((node) => cell.closedBy[node] === 0)
  for (const node of reservation.shut) {
    cell.closedBy[node] = open ? 0 : reserved
    // Whoever wants a domain for itself alone has to see that somebody is to come.
    cell.tenants[node] = (cell.tenants[node] ?? 0) + (open ? -1 : 1)
    touch(cell, node)
  }
  if (open) reservation.shut = []
}

/** Which nodes are closed for promises. */
export function areKept({ closedBy }: Cell): Uint8Array {
  const kept = new Uint8Array(closedBy.length)
  for (let node = 0; node < kept.length; node++) if (closedBy[node] === reserved) kept[node] = 1
  return kept
}

/** Opens nodes of a copy that are closed for a promise. */
export function reopen(scratch: Cell, shut: readonly number[]): void {
  for (const node of shut) {
    scratch.closedBy[node] = 0
    scratch.tenants[node] = (scratch.tenants[node] ?? 0) - 1
    touch(scratch, node)
  }
}

/** Closes nodes of a copy, whoever is there. */
export function close(scratch: Cell, nodes: readonly number[]): void {
  for (const node of nodes) {
    if (scratch.closedBy[node] === reserved) continue
    scratch.closedBy[node] = reserved
    scratch.tenants[node] = (scratch.tenants[node] ?? 0) + 1
    touch(scratch, node)
  }
}

type Profile = {
  owner: Signature
  way: Way
  /** What it asks for, on a copy of the cell of this way. */
  ask: Ask
  /** Who runs in this cell or under the same quotas, and who will start there, by their ends. */
  holders: readonly Held[]
  quota: QuotaTree
  now: number
  /** It has no room before. */
  soonest: number
}

/**
 * Before this nobody has room in a cell who lacks so many nodes there, if all end when they are known to: told by counts
 * alone, of which no copy is needed. Infinity: nobody knows, or never.
 */
export function notBefore(cell: number, { holders, lacking, now }: Lacking): number {
  let left = lacking
  if (left <= 0) return now
  for (const { gang, way, ends } of holders) {
    if (way.cell !== cell || gang < 0) continue
    left -= nodesAtMost(way.site, gang)
    if (left <= 0) return ends
  }
  return Infinity
}

type Lacking = { holders: readonly Held[]; lacking: number; now: number }

/**
 * The earliest time at which the owner has room in a cell, and quota, if all end when they are known to; and its nodes
 * then. Null: not even when all have ended. All of this is tried on a copy of the cell, on which those who run are
 * released in the order of their ends: one release for each, and one question for each end from `soonest` on.
 */
export function earliest({ owner, ask, way, holders, quota, now, soonest }: Profile): Start | null {
  const scratch = ask.cell
  const { project } = owner.want
  const isLimited = quota.isLimited(project)
  let [next, at, gang] = [0, now, -1]
  for (;;) {
    const mayStart = at >= soonest && quota.shortage(project, way.amounts) === null
    gang = mayStart ? take(scratch, ask) : refusals.full
    if (gang !== refusals.full && gang !== refusals.unproven) break
    const first = holders[next]
    if (!first) break
    at = first.ends
    for (let held = holders[next]; held?.ends === at; held = holders[++next]) {
      if (isLimited) quota.remove(held.request.want.project, held.way.amounts)
      if (held.way.cell === way.cell && held.gang >= 0) release(scratch, held.gang)
    }
  }
  if (isLimited)
    for (const { request, way: other } of holders.slice(0, next)) quota.add(request.want.project, other.amounts)
  if (gang < 0) return null
  return { at, way, nodes: allNodesOf(scratch, gang, way) }
}

/** The nodes that a gang has, with those that it keeps others from. */
export function allNodesOf(cell: Cell, gang: number, way: Way): number[] {
  const { ranks, spares } = nodesOf(cell, gang)
  const isPlain = spares.length === 0 && way.gang.exclusive === undefined && way.gang.roles.length === 1
  if (isPlain && way.ask.form.isWhole) return ranks // each stands on a node of its own
  const nodes = new Set([...ranks, ...spares])
  if (way.gang.exclusive !== undefined)
    cell.closedBy.forEach((by, node) => {
      if (by === gang + 1) nodes.add(node)
    })
  return [...nodes]
}

export type Start = { at: number; way: Way; nodes: number[] }
