import type { LeasedRank } from '#model/lease.ts'
import type { Node } from '#model/site.ts'
import type { TopologyField } from '#model/spec/fields.ts'
import type { z } from 'zod'

import type { Slice } from './slice.ts'

/**
 * The nodes of a site that tells them, and what is free on each. Nodes are numbered in the order of the tree (loosest
 * domain first, then by name), so that neighbours in number are neighbours in the fabric.
 */
export type Fleet = {
  nodes: Node[]
  free: Float64Array[]
  /** 1 where anything of the node is used, by us or by others: such a node cannot be had whole. */
  touched: Uint8Array
  /** For each level, the tightest first and the whole site last: the domain of each node, as a small number. */
  levels: { domain: Int32Array; count: number }[]
  /** How many ranks of a size each node can take now and when all is free; only what changes is counted again. */
  rooms: Map<string, Rooms>
}

type Rooms = { size: Size; now: Int32Array; empty: Int32Array; largestEmpty: number[] }

/** A rank's size: its slice of a node of one shape, or a whole such node. */
export type Size = { shape: string; whole: boolean; slice: Slice }

export type Within = z.output<typeof TopologyField>['within']

/** Where the level of a word of the spec stands in `levels`. */
export const levelOf = (fleet: Fleet, within: Within): number =>
  ({ nvlink: 0, block: 1, site: siteLevel(fleet) })[within]

export const siteLevel = (fleet: Fleet): number => fleet.levels.length - 1

export function createFleet(inventory: Node[], held: LeasedRank[]): Fleet {
  const nodes = inTreeOrder(inventory)
  const depth = Math.max(2, ...nodes.map((node) => node.path.length))
  const fleet: Fleet = {
    nodes,
    free: nodes.map((node) => freeOf(node)),
    touched: Uint8Array.from(nodes, ({ foreign }) => (foreign && Object.values(foreign).some((n) => n > 0) ? 1 : 0)),
    levels: Array.from({ length: depth + 1 }, (_, level) =>
      numbered(nodes.map((node) => domainOf(node, level, depth))),
    ),
    rooms: new Map(),
  }
  const numberOf = new Map(nodes.map((node, index) => [node.name, index]))
  for (const rank of held) {
    const index = numberOf.get(rank.node ?? '')
    if (index !== undefined) occupy(fleet, index, rank)
  }
  return fleet
}

const textOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function inTreeOrder(nodes: Node[]): Node[] {
  const keyed = nodes.map((node) => ({ node, key: [...node.path.toReversed(), node.name].join('\0') }))
  return keyed.sort((a, b) => textOrder(a.key, b.key)).map(({ node }) => node)
}

/** A node that does not say where it stands at a level counts with the loosest domain that it does tell, or alone. */
function domainOf(node: Node, level: number, depth: number): string {
  if (level === depth) return ''
  const known = node.path.slice(Math.min(level, node.path.length - 1))
  return known.length > 0 ? known.join('\0') : `\0${node.name}`
}

function numbered(keys: string[]): { domain: Int32Array; count: number } {
  const numbers = new Map<string, number>()
  for (const key of keys) if (!numbers.has(key)) numbers.set(key, numbers.size)
  return { domain: Int32Array.from(keys, (key) => numbers.get(key) ?? 0), count: numbers.size }
}

const freeOf = ({ shape, foreign }: Node): Float64Array =>
  Float64Array.of(
    shape.cpuMilli - (foreign?.cpuMilli ?? 0),
    shape.memoryMiB - (foreign?.memoryMiB ?? 0),
    shape.diskMiB - (foreign?.diskMiB ?? 0),
    shape.accelerators - (foreign?.accelerators ?? 0),
  )

/** Takes a slice of a node; what was counted for it is counted again. */
export function occupy(fleet: Fleet, index: number, slice: Slice): void {
  const free = fleet.free[index]
  if (!free) return
  free[0] = (free[0] ?? 0) - slice.cpuMilli
  free[1] = (free[1] ?? 0) - slice.memoryMiB
  free[2] = (free[2] ?? 0) - slice.diskMiB
  free[3] = (free[3] ?? 0) - slice.accelerators
  fleet.touched[index] = 1
  for (const { size, now } of fleet.rooms.values()) now[index] = roomNow(fleet, index, size)
}

/** Ranks of a size that each node can take, now and when all is free. */
function roomsFor(fleet: Fleet, size: Size): Rooms {
  const { cpuMilli, memoryMiB, diskMiB, accelerators } = size.slice
  const key = [size.shape, size.whole, cpuMilli, memoryMiB, diskMiB, accelerators].join(' ')
  let rooms = fleet.rooms.get(key)
  if (!rooms) {
    const now = Int32Array.from(fleet.nodes, (_, index) => roomNow(fleet, index, size))
    const empty = Int32Array.from(fleet.nodes, (node) => roomEmpty(node, size))
    rooms = { size, now, empty, largestEmpty: [] }
    fleet.rooms.set(key, rooms)
  }
  return rooms
}

function roomNow(fleet: Fleet, index: number, size: Size): number {
  const node = fleet.nodes[index]
  const free = fleet.free[index]
  if (!node?.usable || !free || node.shape.name !== size.shape) return 0
  return size.whole ? 1 - (fleet.touched[index] ?? 1) : timesIn(free, size.slice)
}

function roomEmpty({ shape }: Node, size: Size): number {
  if (shape.name !== size.shape) return 0
  const all = Float64Array.of(shape.cpuMilli, shape.memoryMiB, shape.diskMiB, shape.accelerators)
  return size.whole ? 1 : timesIn(all, size.slice)
}

const many = 1_000_000

function timesIn(free: Float64Array, slice: Slice): number {
  const [cpu = 0, memory = 0, disk = 0, accelerators = 0] = free
  return Math.max(
    0,
    Math.min(
      slice.cpuMilli > 0 ? Math.floor(cpu / slice.cpuMilli) : many,
      slice.memoryMiB > 0 ? Math.floor(memory / slice.memoryMiB) : many,
      slice.diskMiB > 0 ? Math.floor(disk / slice.diskMiB) : many,
      slice.accelerators > 0 ? Math.floor(accelerators / slice.accelerators) : many,
    ),
  )
}

/** The most ranks of a size that one domain of a level can take now. */
export const largestFree = (fleet: Fleet, size: Size, level: number): number =>
  largest(sums(fleet, roomsFor(fleet, size).now, level))

/** … and could take if all of it were free. */
export function largestEmpty(fleet: Fleet, size: Size, level: number): number {
  const rooms = roomsFor(fleet, size)
  return (rooms.largestEmpty[level] ??= largest(sums(fleet, rooms.empty, level)))
}

const largest = (rooms: Float64Array): number => rooms.reduce((most, room) => Math.max(most, room), 0)

function sums(fleet: Fleet, rooms: Int32Array, level: number): Float64Array {
  const { domain, count } = fleet.levels[level] ?? { domain: new Int32Array(), count: 0 }
  const total = new Float64Array(count)
  for (let i = 0; i < rooms.length; i++) total[domain[i] ?? 0] = (total[domain[i] ?? 0] ?? 0) + (rooms[i] ?? 0)
  return total
}

/** The nodes that a gang was given, one index for each rank, and the level of the tightest domain that holds it. */
export type Packed = { nodes: number[]; level: number }

/**
 * A whole gang inside one domain, no looser than `loosest`; null when none has room for all of it. Best fit: the
 * tightest level that holds it, of its domains the one with the least room left over, and there the fewest nodes, so
 * that large domains stay whole for large gangs. Ranks are numbered in the order of the tree.
 */
export function pack(fleet: Fleet, size: Size, { ranks, loosest }: { ranks: number; loosest: number }): Packed | null {
  const rooms = roomsFor(fleet, size).now
  for (let level = 0; level <= loosest; level++) {
    const fit = tightest(sums(fleet, rooms, level), ranks)
    const domain = fleet.levels[level]?.domain
    if (fit !== -1 && domain) return { nodes: fewest(rooms, ranks, (index) => domain[index] === fit), level }
  }
  return null
}

/** The index of the smallest total that is enough, or -1. */
function tightest(totals: Float64Array | Int32Array, enough: number): number {
  let best = -1
  for (let i = 0; i < totals.length; i++) {
    const total = totals[i] ?? 0
    if (total >= enough && (best === -1 || total < (totals[best] ?? 0))) best = i
  }
  return best
}

/** The fewest nodes with room for all ranks: the roomiest ones, and for what is left the one it fits best. */
function fewest(rooms: Int32Array, ranks: number, inside: (index: number) => boolean): number[] {
  const open = rooms.map((room, index) => (inside(index) ? room : 0))
  const chosen: number[] = []
  const byRoom = ranks > 1 ? [...open.keys()].filter((i) => (open[i] ?? 0) > 0) : []
  byRoom.sort((a, b) => (open[b] ?? 0) - (open[a] ?? 0) || a - b)
  for (const roomiest of byRoom) {
    const left = ranks - chosen.length
    if ((open[roomiest] ?? 0) >= left) break
    for (let n = open[roomiest] ?? 0; n > 0; n--) chosen.push(roomiest)
    open[roomiest] = 0
  }
  const left = ranks - chosen.length
  const last = tightest(open, left)
  if (left > 0) for (let n = 0; n < left; n++) chosen.push(last)
  return chosen.sort((a, b) => a - b)
}
