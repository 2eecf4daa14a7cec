import { pooled } from './gangs.ts'
import { cheapest, costAfresh, costOn, isSharing } from './judged.ts'
import { occupy, slotsOf, touch, vacate } from './nodes.ts'
import { moveShare, nowhere } from './portions.ts'
import { settle, standsOf } from './shared-gang.ts'
import { take } from './take.ts'

import type { Ask } from './ask.ts'
import type { Cell } from './cell.ts'

/** One gang of one rank goes to another node, so that somebody else has room where it stood. */
export type Move = { gang: number; to: number }

/** So many moves are tried out for one that waits; the lightest that would make room come first. */
const mostTried = 32

type Standing = { gang: number; size: number; node: number; place: number }

/**
 * A dry run: the one move, of a gang of one rank among some, that gives room to a task or a share which has none, and
 * leaves the least to go to waste. Null when no single move does, or where the cell shares nothing. Where the gang goes
 * has room while it still stands where it is. The cell is as before.
 */
export function findMove(cell: Cell, gangs: Iterable<number>, ask: Ask): Move | null {
  if (!isSharing(cell)) return null
  const homes = new Map<number, number>()
  const candidates: Standing[] = []
  for (const gang of gangs) {
    const standing = standingOf(cell, gang)
    if (standing && makesRoom(cell, standing, ask.size)) candidates.push(standing)
  }
  candidates.sort((a, b) => weight(cell, a) - weight(cell, b))
  let found: Move | null = null
  let least = Number.POSITIVE_INFINITY
  let tried = 0
  for (const standing of candidates) {
    const { gang, size, node } = standing
    const home = homes.get(size) ?? cheapest(cell, size, { first: 0, end: cell.classOf.length })
    homes.set(size, home)
    const to = home === node ? nextBest(cell, standing) : home
    if (to === -1) continue
    const cost = costOn(cell, size, to) + costOfSwap(cell, standing, ask.size)
    if (cost < least) found = { gang, to }
    least = Math.min(cost, least)
    if (++tried === mostTried) break
  }
  return found
}

/** Does what `findMove` found; who waited takes the freed place before anybody else can. The number of its gang. */
export function makeMove(cell: Cell, { gang, to }: Move, ask: Ask): number {
  const standing = standingOf(cell, gang)
  if (!standing) throw new RangeError(`gang ${gang} is not of one rank`)
  const { size, node, place } = standing
  if (cell.gangs.size[gang] === pooled) {
    settle(cell, cell.gangs.at[gang] ?? 0, { moving: [{ rank: 0, size, node, place }], other: to })
  } else {
    occupy(cell, to, size)
    touch(cell, to)
    cell.gangs.at[gang] = to
  }
  shift(cell, standing, 1)
  touch(cell, node)
  return take(cell, ask)
}

function standingOf(cell: Cell, gang: number): Standing | null {
  const at = cell.gangs.at[gang] ?? 0
  const size = cell.gangs.size[gang] ?? 0
  if (size !== pooled) return { gang, size, node: at, place: nowhere }
  const [one, ...others] = standsOf(cell, at)
  return one && others.length === 0 ? { gang, ...one } : null
}

const weight = ({ sizes }: Cell, { size }: Standing): number =>
  1000 * (sizes.amounts[4 * size] ?? 0) + Math.abs(sizes.share[size] ?? 0)

/** Puts somebody where it stands, or with `sign` 1 takes it away, and tells nobody. */
function shift(cell: Cell, { size, node, place }: Standing, sign: 1 | -1): void {
  if (sign === -1) occupy(cell, node, size)
  else vacate(cell, node, size)
  moveShare(cell, node, { size, place, sign })
}

/** The best node for somebody but for the one where it stands; -1 if it has no room elsewhere. */
function nextBest(cell: Cell, { size, node }: Standing): number {
  if (!isSharing(cell)) return -1
  const [before, after] = [
    { first: 0, end: node },
    { first: node + 1, end: cell.classOf.length },
  ].map((range) => cheapest(cell, size, range))
  if (before === undefined || before === -1) return after ?? -1
  if (after === undefined || after === -1) return before
  return costOn(cell, size, after) < costOn(cell, size, before) ? after : before
}

/** What it costs on a node if somebody leaves it and a rank of another size comes. */
function costOfSwap(cell: Cell, leaves: Standing, comes: number): number {
  if (!isSharing(cell)) return 0
  // What is remembered of either is brought up to date first: with one away it would be wrong ever after.
  for (const size of [comes, leaves.size]) costOn(cell, size, leaves.node)
  shift(cell, leaves, 1)
  const cost = costAfresh(cell, comes, leaves.node) - costAfresh(cell, leaves.size, leaves.node)
  shift(cell, leaves, -1)
  return cost
}

/** Whether a rank of a size fits on a node once somebody there has left it. */
function makesRoom(cell: Cell, leaves: Standing, comes: number): boolean {
  shift(cell, leaves, 1)
  const room = slotsOf(cell, leaves.node, comes)
  shift(cell, leaves, -1)
  return room > 0
}
