import type { LeasedRank } from '#model/lease.ts'
import type { Node } from '#model/site.ts'
import type { Topology } from '#model/spec/topology.ts'

import type { Slice } from './slice.ts'

/**
 * The nodes of a site that tells them, and what is free on each. Nodes are numbered in the order of the tree (loosest
 * domain first, then by name), so that neighbours in number are neighbours in the fabric.
 */
export type Fleet = {
  nodes: Node[]
  /** What each node has and what is free of it: CPUs, memory, disk and accelerators, node after node. */
  all: Float64Array
  free: Float64Array
  /** 1 where anything of the node is used, by us or by others: such a node cannot be had whole. */
  touched: Uint8Array
  /** For each level, the tightest first and the whole site last: the domain of each node, as a small number. */
  levels: { domain: Int32Array; count: number }[]
  /** How many ranks of a size each node can take now and when all is free; only what changes is counted again. */
  rooms: Map<string, Rooms>
}

type Rooms = { size: Size; now: Int32Array; largestEmpty: number[] }

/** A rank's size: its slice of a node of one shape, or a whole such node. */
export type Size = { shape: string; whole: boolean; slice: Slice }

export type Within = Topology['within']

/** Where the level of a word of the spec stands in `levels`. */
export const levelOf = (fleet: Fleet, within: Within): number =>
  ({ nvlink: 0, block: 1, site: siteLevel(fleet) })[within]

export const siteLevel = (fleet: Fleet): number => fleet.levels.length - 1

export function createFleet(inventory: Node[], held: LeasedRank[]): Fleet {
  const nodes = inTreeOrder(inventory)
  const depth = Math.max(2, ...nodes.map((node) => node.path.length))
  const fleet: Fleet = {
    nodes,
    all: Float64Array.from(nodes.flatMap(({ shape }) => amountsOf(shape))),
    free: Float64Array.from(nodes.flatMap(({ shape }) => amountsOf(shape))),
    touched: new Uint8Array(nodes.length),
    levels: Array.from({ length: depth + 1 }, (_, level) =>
      numbered(nodes.map((node) => domainOf(node, level, depth))),
    ),
    rooms: new Map(),
  }
  nodes.forEach(({ foreign }, index) => foreign && occupy(fleet, index, foreign))
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

const amountsOf = ({ cpuMilli, memoryMiB, diskMiB, accelerators }: Slice): number[] => [
  cpuMilli,
  memoryMiB,
  diskMiB,
  accelerators,
]

/** Takes a slice of a node; what was counted for it is counted again. */
export function occupy(fleet: Fleet, index: number, slice: Slice): void {
  amountsOf(slice).forEach((amount, i) => {
    fleet.free[4 * index + i] = (fleet.free[4 * index + i] ?? 0) - amount
    if (amount > 0) fleet.touched[index] = 1
  })
  for (const { size, now } of fleet.rooms.values()) now[index] = roomNow(fleet, index, size)
}

/** Ranks of a size that each node can take now; counted once a round, then kept up by `occupy`. */
function roomsFor(fleet: Fleet, size: Size): Rooms {
  const { cpuMilli, memoryMiB, diskMiB, accelerators } = size.slice
  const key = [size.shape, size.whole, cpuMilli, memoryMiB, diskMiB, accelerators].join(' ')
  let rooms = fleet.rooms.get(key)
  if (!rooms) {
    const now = new Int32Array(fleet.nodes.length)
    for (let index = 0; index < now.length; index++) now[index] = roomNow(fleet, index, size)
    fleet.rooms.set(key, (rooms = { size, now, largestEmpty: [] }))
  }
  return rooms
}

function roomNow(fleet: Fleet, index: number, size: Size): number {
  if (!fleet.nodes[index]?.usable) return 0
  const room = roomIn(fleet, index, { size, amounts: fleet.free })
  return size.whole && fleet.touched[index] === 1 ? 0 : room
}

/** How often a size goes into what a node has (`all`) or has left (`free`); at most once if it takes it whole. */
function roomIn(fleet: Fleet, index: number, { size, amounts }: { size: Size; amounts: Float64Array }): number {
  if (fleet.nodes[index]?.shape.name !== size.shape) return 0
  if (size.whole) return 1
  const { cpuMilli, memoryMiB, diskMiB, accelerators } = size.slice
  const at = 4 * index
  const room = Math.min(
    timesIn(amounts[at], cpuMilli),
    timesIn(amounts[at + 1], memoryMiB),
    timesIn(amounts[at + 2], diskMiB),
    timesIn(amounts[at + 3], accelerators),
  )
  return Math.max(0, room)
}

const many = 1_000_000

const timesIn = (amount = 0, slice: number): number => (slice > 0 ? Math.floor(amount / slice) : many)

/** The most ranks of a size that one domain of a level can take now. */
export const largestFree = (fleet: Fleet, size: Size, level: number): number =>
  largest(sums(fleet, roomsFor(fleet, size).now, level))

/** … and could take if all of it were free. */
export function largestEmpty(fleet: Fleet, size: Size, level: number): number {
  const known = roomsFor(fleet, size).largestEmpty
  const empty = () => Int32Array.from(fleet.nodes, (_, index) => roomIn(fleet, index, { size, amounts: fleet.all }))
  return (known[level] ??= largest(sums(fleet, empty(), level)))
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
  for (let n = 0; n < left; n++) chosen.push(last)
  return chosen.sort((a, b) => a - b)
}
