import { closed, inFractions, inSlices } from '#engine/sharing/devices.ts'
import { choose } from './choose.ts'
import { catchUp } from './form.ts'
import { addGang, newBlock, nodesAt, pooled, word } from './gangs.ts'
import { grown } from './grown.ts'
import { arrived, cheapest, costOn, isSharing, placeOn } from './judged.ts'
import { occupy, touch, vacate } from './nodes.ts'
import { moveShare, nowhere, placeAt, placeOf, portionOf } from './portions.ts'
import { domainAt } from './tree.ts'

import type { Place } from '#engine/sharing/devices.ts'
import type { Ask } from './ask.ts'
import type { Cell } from './cell.ts'

/**
 * Gangs with ranks that share accelerators. Their ranks go one after another where each costs the least, inside a domain
 * that has room for all of them.
 */

/** A rank as it stands: its size, its node, and the place of its share. */
type Stand = { size: number; node: number; place: number }

/**
 * Finds nodes and places for all ranks, and writes them to `cell.chosen` and `sharing.places`. For ranks of one size it
 * finds them whenever there are any: none takes the room of two. For several sizes it may fail where others would not.
 */
export function placeShared(ask: Ask): 'placed' | 'full' | 'unproven' {
  const { cell, roles } = ask
  if (!isSharing(cell)) return 'full'
  for (const { size, ranks } of roles) for (let rank = 0; rank < ranks; rank++) arrived(cell, size)
  for (const { form } of roles) catchUp(form, cell.tree.levels)
  if (roles.length === 1) return choose(ask) && placeIn(ask) ? 'placed' : 'full'
  let isTried = false
  for (let level = ask.lowest; level <= ask.loosest; level++)
    for (let domain = 0; domain < (cell.tree.counts[level] ?? 0); domain++) {
      if (roles.some(({ form, ranks }) => (form.layers[level]?.units[domain] ?? 0) < ranks)) continue
      ask.level = level
      ask.domain = domain
      if (placeIn(ask)) return 'placed'
      isTried = true
    }
  return isTried ? 'unproven' : 'full'
}

/** Places all ranks in the domain that was found, the hardest roles first, or none of them. */
function placeIn(ask: Ask): boolean {
  const { cell, roles, level, domain } = ask
  if (!isSharing(cell)) return false
  const starts = cell.tree.nodes[level] ?? new Int32Array()
  const range = { first: starts[domain] ?? 0, end: starts[domain + 1] ?? 0 }
  const stands: (Stand & { rank: number })[] = []
  const order = roles.map((role, i) => ({ ...role, from: firstRankOf(ask, i) }))
  order.sort((a, b) => hardness(cell, b.size) - hardness(cell, a.size))
  let isPlaced = true
  for (const { size, ranks, from } of order)
    for (let rank = from; isPlaced && rank < from + ranks; rank++) {
      const node = cheapest(cell, size, range)
      isPlaced = node !== -1
      if (!isPlaced) break
      const stand = { rank, size, node, place: placeOn(cell, size, node) }
      stands.push(stand)
      if (ask.ranks > 1) put(cell, stand, -1)
    }
  // This was to see whether it fits; the gang is taken only when all of it does.
  if (ask.ranks > 1) for (const stand of stands.toReversed()) put(cell, stand, 1)
  while (cell.chosen.length < ask.ranks) cell.chosen = grown(cell.chosen)
  while (cell.sharing.places.length < ask.ranks) cell.sharing.places = grown(cell.sharing.places)
  for (const { rank, node, place } of stands) {
    cell.chosen[rank] = node
    cell.sharing.places[rank] = place
  }
  return isPlaced
}

const firstRankOf = ({ roles }: Ask, role: number): number =>
  roles.slice(0, role).reduce((sum, { ranks }) => sum + ranks, 0)

/** Whole accelerators first, then MIG instances, then the large fractions, then those who take none. */
function hardness({ sizes }: Cell, size: number): number {
  const [whole, share] = [sizes.amounts[4 * size] ?? 0, sizes.share[size] ?? 0]
  return share < 0 ? 2000 : whole > 0 ? 3000 + whole : share
}

function put(cell: Cell, { size, node, place }: Stand, sign: 1 | -1): void {
  if (sign === -1) occupy(cell, node, size)
  else vacate(cell, node, size)
  moveShare(cell, node, { size, place, sign })
  touch(cell, node)
}

/** Holds the ranks where `cell.chosen` and `sharing.places` say. */
export function holdShared(cell: Cell, ask: Ask): number {
  const { gangs, chosen } = cell
  const { roles, ranks } = ask
  const block = newBlock(gangs, word.rest + 2 * roles.length + 2 * ranks)
  const words = [gangs.pool[block] ?? 0, roles.length, ranks, 0, -1, ask.loosest, 0, ask.level]
  gangs.pool.set([...words, ...roles.flatMap((role) => [role.size, role.ranks])], block)
  const first = nodesAt(gangs, block)
  let rank = 0
  for (const { size, ranks: count } of roles)
    for (const end = rank + count; rank < end; rank++) {
      const [node, place] = [chosen[rank] ?? 0, cell.sharing?.places[rank] ?? nowhere]
      gangs.pool[first + rank] = node
      gangs.pool[first + ranks + rank] = place
      put(cell, { size, node, place }, -1)
    }
  return addGang(gangs, block, pooled)
}

/** Takes over where ranks share already. Where the place of a rank is not told, it counts as a whole accelerator. */
export function adoptPlaces(cell: Cell, ask: Ask, places: readonly (Place | null)[]): void {
  if (!isSharing(cell)) return
  while (cell.sharing.places.length < ask.ranks) cell.sharing.places = grown(cell.sharing.places)
  let rank = 0
  for (const { size, ranks } of ask.roles)
    for (const end = rank + ranks; rank < end; rank++) {
      arrived(cell, size)
      const [place, node] = [places[rank], cell.chosen[rank] ?? 0]
      cell.sharing.places[rank] = place && mayStand(cell, size, { node, place }) ? placeAt(place) : nowhere
    }
}

/** Whether there is such an accelerator, which may be shared in this way and is not shared in another. */
function mayStand(cell: Cell, size: number, { node, place }: { node: number; place: Place }): boolean {
  const nodeClass = cell.classOf[node] ?? 0
  const { milli, cut } = portionOf(cell, nodeClass, size)
  if (place.device >= (cell.capacity[4 * nodeClass] ?? 0) || (milli <= 0 && !cut)) return false
  const { first, use } = cell.sharing?.devices ?? { first: new Int32Array(), use: new Uint8Array() }
  const now = use[(first[node] ?? 0) + place.device] ?? closed
  return now === closed || now === (cut ? inSlices : inFractions)
}

/** Whether a gang's block has places behind its nodes. */
export function hasPlaces({ gangs, sizes, sharing }: Cell, block: number): boolean {
  if (!sharing) return false
  for (let role = 0; role < (gangs.pool[block + word.roles] ?? 0); role++)
    if (sizes.share[gangs.pool[block + word.rest + 2 * role] ?? 0] !== 0) return true
  return false
}

/** The ranks of a gang with shares as they stand. */
export function standsOf({ gangs }: Cell, block: number): Stand[] {
  const { pool } = gangs
  const first = nodesAt(gangs, block)
  const ranks = pool[block + word.ranks] ?? 0
  const stands: Stand[] = []
  for (let role = 0; role < (pool[block + word.roles] ?? 0); role++) {
    const at = block + word.rest + 2 * role
    for (const end = stands.length + (pool[at + 1] ?? 0); stands.length < end;) {
      const rank = first + stands.length
      stands.push({ size: pool[at] ?? 0, node: pool[rank] ?? 0, place: pool[rank + ranks] ?? nowhere })
    }
  }
  return stands
}

export function vacateShared(cell: Cell, block: number): void {
  for (const stand of standsOf(cell, block)) put(cell, stand, 1)
}

/** Where the share of each rank of a gang stands; null for a rank that shares nothing, or of which nobody knows. */
export const placesOf = (cell: Cell, block: number): (Place | null)[] =>
  standsOf(cell, block).map(({ place }) => placeOf(place))

/**
 * Moves what a gang with shares runs on one node to another one, together: in the tightest domain around the old node
 * that has such a node, to the one where its first rank costs the least. The new node, or -1 when there is none.
 */
export function replaceShared(cell: Cell, block: number, node: number): number {
  if (!isSharing(cell)) return -1
  const { gangs, tree } = cell
  const stands = standsOf(cell, block).map((stand, rank) => ({ ...stand, rank }))
  const moving = stands.filter((stand) => stand.node === node)
  const [one] = moving
  if (!one) throw new RangeError(`the gang runs nothing on node ${node}`)
  for (const stand of moving) put(cell, stand, 1)
  for (let level = 1; level <= (gangs.pool[block + word.repair] ?? 0); level++) {
    const domain = domainAt(tree, node, level)
    const range = { first: tree.nodes[level]?.[domain] ?? 0, end: tree.nodes[level]?.[domain + 1] ?? 0 }
    const others = Array.from({ length: range.end - range.first }, (_, i) => range.first + i)
      .map((other) => ({ other, cost: costOn(cell, one.size, other) }))
      .filter(({ other, cost }) => other !== node && cost < Number.POSITIVE_INFINITY)
    others.sort((a, b) => a.cost - b.cost || a.other - b.other)
    for (const { other } of others) if (settle(cell, block, { moving, other })) return other
  }
  for (const stand of moving) put(cell, stand, -1)
  return -1
}

type Moving = { moving: readonly (Stand & { rank: number })[]; other: number }

/** Puts ranks on one node and writes that down, or changes nothing. */
export function settle(cell: Cell, block: number, { moving, other }: Moving): boolean {
  if (!isSharing(cell)) return false
  const { pool } = cell.gangs
  const first = nodesAt(cell.gangs, block)
  const settled: (Stand & { rank: number })[] = []
  for (const { rank, size } of moving) {
    if (costOn(cell, size, other) === Number.POSITIVE_INFINITY) break
    const stand = { rank, size, node: other, place: placeOn(cell, size, other) }
    put(cell, stand, -1)
    settled.push(stand)
  }
  if (settled.length < moving.length) {
    for (const stand of settled) put(cell, stand, 1)
    return false
  }
  for (const { rank, place } of settled) {
    pool[first + rank] = other
    pool[first + (pool[block + word.ranks] ?? 0) + rank] = place
  }
  return true
}
