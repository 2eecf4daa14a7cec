import { choose } from './choose.ts'
import { descend } from './descend.ts'
import { catchUp } from './form.ts'
import { addGang, dropGang, isHeld, newBlock, nodesAt, pooled, word } from './gangs.ts'
import { placeGroup } from './group.ts'
import { grown } from './grown.ts'
import { arrived, cheapest, isSharing } from './judged.ts'
import { changeEach, occupy, touch, vacate } from './nodes.ts'
import { adoptPlaces, hasPlaces, holdShared, placeShared, vacateShared } from './shared-gang.ts'
import { chooseSpares } from './spares.ts'
import { nodeForTask } from './tasks.ts'
import { domainAt } from './tree.ts'

import type { Place } from '#engine/sharing/devices.ts'
import type { Ask } from './ask.ts'
import type { Cell } from './cell.ts'

/** Why a gang was not taken. No gang has such a number. */
export const refusals = {
  /** It has no room now. */
  full: -1,
  /** It would have none if everything were free and usable. */
  tooLarge: -2,
  /** None was found, but to try all ways to fit several roles together would have taken too long. */
  unproven: -3,
} as const

/** Takes what is asked for, whole or not at all. The number of the gang, or a refusal. */
export function take(cell: Cell, ask: Ask): number {
  if (ask.kind === 'task') return takeTask(cell, ask)
  if (ask.kind === 'shared') {
    const placed = placeShared(ask)
    return placed === 'placed' ? holdShared(cell, ask) : placed === 'unproven' ? refusals.unproven : refusalOf(ask)
  }
  if (isSharing(cell)) for (const { size } of ask.roles) arrived(cell, size)
  if (ask.kind === 'group') {
    const placed = placeGroup(ask)
    return placed === 'placed' ? hold(cell, ask, 0) : placed === 'unproven' ? refusals.unproven : refusalOf(ask)
  }
  catchUp(ask.form, ask.ranks === 1 && !ask.form.isRuled ? 1 : cell.tree.levels)
  if (!choose(ask)) return refusalOf(ask)
  descend(ask)
  return hold(cell, ask, ask.rules.spares > 0 ? chooseSpares(ask) : 0)
}

/**
 * Holds a gang where it is told to run already, by its ranks' nodes and its spare ones: this is how a cell is filled with
 * what was decided before. Nothing is checked; where more is used than there is, less than nothing is free. `devices` are
 * the places of ranks that share an accelerator; a rank without one counts as a whole accelerator.
 */
export function adopt(cell: Cell, ask: Ask, { ranks, spares, devices = [] }: Standing): number {
  if (ranks.length !== ask.ranks) throw new RangeError(`${ask.ranks} ranks need as many nodes, not ${ranks.length}`)
  const nodes = [...ranks, ...spares]
  if (nodes.some((node) => cell.classOf[node] === undefined))
    throw new RangeError('a gang is on a node that is not here')
  while (cell.chosen.length < nodes.length) cell.chosen = grown(cell.chosen)
  cell.chosen.set(nodes)
  ask.level = 0
  while (new Set(ranks.map((node) => domainAt(cell.tree, node, ask.level))).size > 1) ask.level++
  if (ask.kind !== 'shared') {
    if (isSharing(cell)) for (const { size } of ask.roles) arrived(cell, size)
    return hold(cell, ask, spares.length)
  }
  adoptPlaces(cell, ask, devices)
  return holdShared(cell, ask)
}

export type Standing = { ranks: number[]; spares: number[]; devices?: readonly (Place | null)[] | undefined }

function takeTask(cell: Cell, ask: Ask): number {
  catchUp(ask.lead, 1)
  const node = isSharing(cell) ? judgedNode(cell, ask) : nodeForTask(ask)
  if (node === -1) return refusalOf(ask)
  occupy(cell, node, ask.size)
  touch(cell, node)
  return addGang(cell.gangs, node, ask.size)
}

/** Beside shares a task that could take of nodes with accelerators goes where it leaves the least unusable. */
function judgedNode(cell: Cell, ask: Ask): number {
  if (!isSharing(cell)) return -1
  arrived(cell, ask.size)
  const node = nodeForTask(ask)
  if (node === -1 || cell.capacity[4 * (cell.classOf[node] ?? 0)] === 0) return node
  return cheapest(cell, ask.size, { first: 0, end: cell.classOf.length })
}

/** Why somebody who has no room was refused. */
export function refusalOf(ask: Ask): number {
  if (ask.isImpossible) return refusals.tooLarge
  const levels = ask.kind === 'task' ? 1 : ask.cell.tree.levels
  const level = ask.kind === 'task' ? 0 : ask.loosest
  for (const { form, ranks } of ask.roles) {
    catchUp(form, levels)
    const most = form.layers[level]?.most ?? 0
    if (most < (ask.roles.length > 1 ? ranks : ask.units)) return refusals.tooLarge
  }
  return refusals.full
}

/** Puts the ranks on the nodes that were chosen, and writes down who holds them. */
function hold(cell: Cell, ask: Ask, spares: number): number {
  const { chosen, gangs } = cell
  let at = 0
  for (const { size, ranks } of ask.roles) {
    changeEach(cell, size, { nodes: chosen, first: at, end: at + ranks, sign: -1 })
    at += ranks
  }
  if (spares > 0) changeEach(cell, ask.size, { nodes: chosen, first: at, end: at + spares, sign: -1 })
  if (ask.ranks === 1 && !ask.form.isRuled) return addGang(gangs, chosen[0] ?? 0, ask.size)
  const gang = addGang(gangs, write(cell, ask, spares), pooled)
  if (ask.rules.exclusiveLevel >= 0) close(cell, gang, { level: ask.rules.exclusiveLevel, by: gang + 1 })
  return gang
}

function write({ gangs, chosen }: Cell, ask: Ask, spares: number): number {
  const { rules, ranks, roles } = ask
  const block = newBlock(gangs, word.rest + 2 * roles.length + ranks + spares)
  const { pool } = gangs
  pool[block + word.roles] = roles.length
  pool[block + word.ranks] = ranks
  pool[block + word.spares] = spares
  pool[block + word.exclusive] = rules.exclusiveLevel
  pool[block + word.repair] = repairLevel(ask)
  pool[block + word.spread] = rules.spreadLevel === 0 ? rules.spreadMost : 0
  pool[block + word.level] = ask.level
  let at = block + word.rest
  for (const role of roles) {
    pool[at++] = role.size
    pool[at++] = role.ranks
  }
  for (let i = 0; i < ranks + spares; i++) pool[at++] = chosen[i] ?? 0
  return block
}

/**
 * The loosest level in whose domain one node may be replaced by another so that every rule still holds. Rules for single
 * nodes hold anywhere, since all that is on a node moves together.
 */
function repairLevel({ cell, rules, loosest }: Ask): number {
  const { sliceLevel, spareLevel, spreadLevel, exclusiveLevel } = rules
  const levels = [loosest, sliceLevel, spareLevel, spreadLevel, exclusiveLevel]
  return levels.reduce((a, b) => (b > 0 && b < a ? b : a), cell.tree.levels - 1)
}

/** Closes the domains of a gang to others, or with `by` 0 opens them again. */
function close(cell: Cell, gang: number, { level, by }: { level: number; by: number }): void {
  const { gangs, tree } = cell
  const block = gangs.at[gang] ?? 0
  const first = nodesAt(gangs, block)
  const end = first + (gangs.pool[block + word.ranks] ?? 0) + (gangs.pool[block + word.spares] ?? 0)
  for (let i = first; i < end; i++) {
    const domain = domainAt(tree, gangs.pool[i] ?? 0, level)
    const start = tree.nodes[level]?.[domain] ?? 0
    if (by !== 0 && cell.closedBy[start] === by) continue
    for (let node = start; node < (tree.nodes[level]?.[domain + 1] ?? 0); node++) {
      // What others keep closed, or have closed meanwhile, stays as it is.
      if (by === 0 ? cell.closedBy[node] !== gang + 1 : cell.closedBy[node] !== 0) continue
      cell.closedBy[node] = by
      touch(cell, node)
    }
  }
}

/** Gives back all that a gang holds. */
export function release(cell: Cell, gang: number): void {
  const { gangs } = cell
  if (!isHeld(gangs, gang)) throw new RangeError(`no gang ${gang} is held`)
  const [at, single] = [gangs.at[gang] ?? 0, gangs.size[gang] ?? 0]
  if (single !== pooled) {
    vacate(cell, at, single)
    touch(cell, at)
  } else {
    const exclusive = gangs.pool[at + word.exclusive] ?? -1
    if (exclusive >= 0) close(cell, gang, { level: exclusive, by: 0 })
    if (hasPlaces(cell, at)) vacateShared(cell, at)
    else vacateAll(cell, at)
  }
  dropGang(gangs, gang)
}

function vacateAll(cell: Cell, block: number): void {
  const { pool } = cell.gangs
  const roles = pool[block + word.roles] ?? 0
  let at = nodesAt(cell.gangs, block)
  for (let role = 0; role < roles; role++) {
    const size = pool[block + word.rest + 2 * role] ?? 0
    // Spare ranks are of the first role's size and stand last; a gang that has any has one role.
    const ranks = (pool[block + word.rest + 2 * role + 1] ?? 0) + (pool[block + word.spares] ?? 0)
    changeEach(cell, size, { nodes: pool, first: at, end: at + ranks, sign: 1 })
    at += ranks
  }
}
