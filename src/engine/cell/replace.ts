import { isHeld, nodesAt, pooled, word } from './gangs.ts'
import { occupy, touch, vacate } from './nodes.ts'
import { hasPlaces, replaceShared } from './shared-gang.ts'
import { domainAt } from './tree.ts'

import type { Cell } from './cell.ts'

/**
 * Moves what a gang runs on one node to another node, together, so that every rule of the gang still holds; its ranks
 * keep their numbers. Nodes with spare ranks of its own come first (these are then used up), then the tightest domain
 * around the old node, then the least left over. The new node, or -1 when there is none; then nothing is changed.
 */
export function replace(cell: Cell, gang: number, node: number): number {
  if (!isHeld(cell.gangs, gang)) throw new RangeError(`no gang ${gang} is held`)
  const block = cell.gangs.size[gang] === pooled ? (cell.gangs.at[gang] ?? 0) : -1
  if (block !== -1 && hasPlaces(cell, block)) return replaceShared(cell, block, node)
  const moved = momentum(cell, gang, node)
  if (moved.total === 0) throw new RangeError(`gang ${gang} runs nothing on node ${node}`)
  for (let level = 1; level <= moved.repair; level++) {
    const other = bestIn(cell, moved, { level, domain: domainAt(cell.tree, node, level) })
    if (other === -1) continue
    move(cell, moved, other)
    return other
  }
  return -1
}

/** What is to be moved: the ranks of each role, and what the rules of the gang allow. */
type Move = {
  gang: number
  node: number
  roles: { size: number; ranks: number }[]
  total: number
  /** Where its nodes are written, how many are ranks and how many spare ones; no place for a gang of one rank. */
  first: number
  ranks: number
  spares: number
  repair: number
  spread: number
  /** It has each of its nodes to itself. */
  isAlone: boolean
}

function momentum({ gangs, tree }: Cell, gang: number, node: number): Move {
  const at = gangs.at[gang] ?? 0
  const single = gangs.size[gang] ?? 0
  const top = tree.levels - 1
  if (single !== pooled) {
    const ranks = Number(at === node)
    const roles = [{ size: single, ranks }]
    return { gang, node, roles, total: ranks, first: -1, ranks: 1, spares: 0, repair: top, spread: 0, isAlone: false }
  }
  const { pool } = gangs
  const first = nodesAt(gangs, at)
  let next = first
  const roles = Array.from({ length: pool[at + word.roles] ?? 0 }, (_, role) => {
    let ranks = 0
    for (const end = next + (pool[at + word.rest + 2 * role + 1] ?? 0); next < end; next++)
      if (pool[next] === node) ranks++
    return { size: pool[at + word.rest + 2 * role] ?? 0, ranks }
  })
  return {
    gang,
    node,
    roles,
    total: roles.reduce((sum, { ranks }) => sum + ranks, 0),
    first,
    ranks: pool[at + word.ranks] ?? 0,
    spares: pool[at + word.spares] ?? 0,
    repair: pool[at + word.repair] ?? 0,
    spread: pool[at + word.spread] ?? 0,
    isAlone: pool[at + word.exclusive] === 0,
  }
}

function bestIn(cell: Cell, moved: Move, { level, domain }: { level: number; domain: number }): number {
  const starts = cell.tree.nodes[level] ?? new Int32Array()
  let [best, mostSpare, least] = [-1, -1, 0]
  for (let node = starts[domain] ?? 0; node < (starts[domain + 1] ?? 0); node++) {
    if (node === moved.node) continue
    const spare = Math.min(
      countOn(cell, moved, { node, from: moved.ranks, to: moved.ranks + moved.spares }),
      moved.total,
    )
    const left = leftAfter(cell, moved, { node, spare })
    if (left < 0 || spare < mostSpare || (spare === mostSpare && left >= least)) continue
    best = node
    mostSpare = spare
    least = left
  }
  return best
}

/** Ranks of the gang among its nodes from one number to another that are on a node. */
function countOn(
  { gangs }: Cell,
  { first }: Move,
  { node, from, to }: { node: number; from: number; to: number },
): number {
  if (first === -1) return 0
  let count = 0
  for (let i = from; i < to; i++) if (gangs.pool[first + i] === node) count++
  return count
}

/** What would be left of the node's resource that it has least of, in thousandths; below 0 if it cannot take them. */
function leftAfter(cell: Cell, moved: Move, { node, spare }: { node: number; spare: number }): number {
  const { sizes, classOf, capacity } = cell
  const isOpen = cell.closedBy[node] === 0 || cell.closedBy[node] === moved.gang + 1
  if (cell.usable[node] === 0 || !isOpen) return -1
  // Whoever else is there may have come to a node of its own, from beside.
  const own = moved.isAlone ? countOn(cell, moved, { node, from: 0, to: moved.ranks + moved.spares }) : 0
  if (moved.isAlone && cell.tenants[node] !== own) return -1
  const nodeClass = classOf[node] ?? 0
  const moving = moved.roles.filter(({ ranks }) => ranks > 0)
  if (moving.some(({ size }) => sizes.allowed[size]?.[nodeClass] !== 1)) return -1
  if (moved.spread > 0) {
    const beside = countOn(cell, moved, { node, from: 0, to: moved.ranks })
    if (beside + moved.total > moved.spread) return -1
  }
  const isWhole = moving.some(({ size }) => sizes.whole[size] === 1)
  if (isWhole) return (cell.tenants[node] ?? 0) - spare === 0 ? 0 : -1
  let least = 1000
  for (let i = 0; i < 4; i++) {
    // Only gangs of one role have spare ranks, so what a spare rank gives back is of the size that moves.
    const given = spare * (sizes.amounts[4 * (moving[0]?.size ?? 0) + i] ?? 0)
    const needed = moving.reduce((sum, { size, ranks }) => sum + ranks * (sizes.amounts[4 * size + i] ?? 0), 0)
    const left = (cell.free[4 * node + i] ?? 0) + given - needed
    if (needed > 0 && left < 0) return -1
    const whole = capacity[4 * nodeClass + i] ?? 0
    if (needed > 0 && whole > 0) least = Math.min(least, Math.floor((left * 1000) / whole))
  }
  return least
}

function move(cell: Cell, moved: Move, other: number): void {
  const { gangs } = cell
  let toDrop = Math.min(
    moved.total,
    countOn(cell, moved, { node: other, from: moved.ranks, to: moved.ranks + moved.spares }),
  )
  for (let i = moved.ranks; toDrop > 0;)
    if (gangs.pool[moved.first + i] === other) {
      dropSpare(cell, moved, i)
      toDrop--
    } else i++
  for (const { size, ranks } of moved.roles)
    for (let n = 0; n < ranks; n++) {
      vacate(cell, moved.node, size)
      occupy(cell, other, size)
    }
  if (moved.first === -1) gangs.at[moved.gang] = other
  else
    for (let i = moved.first; i < moved.first + moved.ranks; i++)
      if (gangs.pool[i] === moved.node) gangs.pool[i] = other
  if (moved.isAlone) {
    cell.closedBy[other] = moved.gang + 1
    const range = { node: moved.node, from: moved.ranks, to: moved.ranks + moved.spares }
    if (countOn(cell, moved, range) === 0) cell.closedBy[moved.node] = 0
  }
  touch(cell, moved.node)
  touch(cell, other)
}

/** Gives back one spare rank; the last of them takes its place in the list. */
function dropSpare(cell: Cell, moved: Move, i: number): void {
  const { gangs } = cell
  vacate(cell, gangs.pool[moved.first + i] ?? 0, moved.roles[0]?.size ?? 0)
  moved.spares--
  gangs.pool[moved.first + i] = gangs.pool[moved.first + moved.ranks + moved.spares] ?? 0
  gangs.pool[(gangs.at[moved.gang] ?? 0) + word.spares] = moved.spares
}
