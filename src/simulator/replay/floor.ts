import type { Fleet, NodeGroup } from '#simulator/scenario/fleet.ts'
import type { Part, Unit } from '#simulator/traces/job.ts'

import { broken } from './broken-rule.ts'
import { createMaxTree, type MaxTree } from './max-tree.ts'

/** What a gang asks for; equal ones are the same object, so that who finds no room speaks for all of its kind. */
export type Demand = {
  readonly unit: Unit
  readonly amount: number
  /** Equal ranks; 0 for as few nodes as possible: whole ones, and the remainder on one. */
  readonly ranks: number
  /** It stands in one domain of this level of a group's topology, 1 the tightest; anywhere in a group where it is 0. */
  readonly within: number
  /** What it takes of its one accelerator, where that is shared; how much of one each of its accelerators counts as. */
  readonly part: Part | null
  readonly milli: number
}

/** Where a share stands: on which of the shared accelerators of its node, and where a slice of it begins. */
export type Place = { device: number; start: number }

/** Nodes that stand in a row, `end` not among them. */
export type Range = { first: number; end: number }

/**
 * Nodes in a domain of a group: the widest that it has, if it has none as wide, and a node where it has no topology. For
 * 0, all of them.
 */
export function domainSize({ domains, count }: NodeGroup, within: number): number {
  return within === 0 ? count : (domains[Math.min(within, domains.length) - 1] ?? 1)
}

/** The domains of a group in which a gang that asks for one may stand, in order. */
export function domainsOf(group: NodeGroup, within: number): Range[] {
  const size = domainSize(group, within)
  const end = group.first + group.count
  return Array.from({ length: Math.ceil(group.count / size) }, (_, i) => ({
    first: group.first + i * size,
    end: Math.min(end, group.first + (i + 1) * size),
  }))
}

/** Where a gang stands: a node, what it has of it, the next node, what it has of that, … */
export type Spots = readonly number[]

/** Sums over all nodes of a unit; `idleMilli`: what is left of accelerators that are shared, which count as used. */
export type Tally = { used: number; usable: number; splintered: number; idleMilli: number }

/**
 * The nodes of a fleet, and what of them is taken. A gang is given nodes of one group: the cheapest with room, there the
 * first that fit. It is a floor, not a mind: who may stand on it, others decide.
 */
export type Floor = {
  readonly fleet: Fleet
  readonly tallies: Record<Unit, Tally>
  /** Nodes of a group with anything on them. */
  busy(group: number): number
  free(node: number): number
  usable(node: number): boolean
  refuses(group: number): boolean
  /** Goes up whenever there may be more room than before. */
  readonly gains: number
  /** How often prices have changed. */
  readonly repriced: number
  /** Nodes in the order in which they went out of use or came back. */
  readonly toggled: readonly number[]
  groupOf(node: number): NodeGroup
  /** A price of a node for an hour; what is paid anyway counts as free. */
  marginalMicros(group: number): number
  priceMicros(group: number): number
  groupsFor(unit: Unit): readonly NodeGroup[]
  fit(demand: Demand): Spots | undefined
  /** Tells by counts alone; when it says no, nothing fits. */
  mayFit(demand: Demand): boolean
  /** Whether it would fit in a group if nothing else were there and all worked. */
  couldEverFit(group: NodeGroup, demand: Demand): boolean
}

/** The floor in the hands of the replay, which alone changes it. */
export class FloorKeeper implements Floor {
  readonly fleet: Fleet
  readonly tallies = { gpu: tally(), cpu: tally() }
  gains = 0
  repriced = 0
  readonly toggled: number[] = []
  readonly #free: Int32Array
  readonly #closed: Uint8Array
  readonly #homes: Uint32Array
  readonly #refusing: Uint16Array
  readonly #busy: Int32Array
  /** Of each group: nodes that are wholly free, and all that is free. What cannot fit is refused by these alone. */
  readonly #empty: Int32Array
  readonly #room: Float64Array
  readonly #prices: number[]
  /** How many share an accelerator, by node and device. */
  readonly #shares = new Map<string, number>()
  /** Made when somebody looks for room here for the first time, and kept up from then on. */
  readonly #trees: (MaxTree | undefined)[]
  #order = new Map<Unit, NodeGroup[]>()

  constructor(fleet: Fleet) {
    this.fleet = fleet
    const { groups, nodes } = fleet
    this.#free = new Int32Array(nodes)
    this.#closed = new Uint8Array(nodes)
    this.#homes = new Uint32Array(nodes)
    this.#refusing = new Uint16Array(groups.length)
    this.#busy = new Int32Array(groups.length)
    this.#empty = Int32Array.from(groups, ({ count }) => count)
    this.#room = Float64Array.from(groups, ({ count, size }) => count * size)
    this.#prices = groups.map(({ priceMicros }) => priceMicros)
    this.#trees = groups.map(() => undefined)
    for (const { number, first, count, size, unit } of groups) {
      this.#free.fill(size, first, first + count)
      this.#homes.fill(number, first, first + count)
      this.tallies[unit].usable += size * count
    }
    this.#sortGroups()
  }

  groupOf(node: number): NodeGroup {
    const group = this.fleet.groups[this.#homes[node] ?? 0]
    if (!group) throw new RangeError(`there is no node ${node}`)
    return group
  }

  busy(group: number): number {
    return this.#busy[group] ?? 0
  }

  free(node: number): number {
    return this.#closed[node] ? 0 : (this.#free[node] ?? 0)
  }

  usable(node: number): boolean {
    return this.#closed[node] === 0
  }

  refuses(group: number): boolean {
    return (this.#refusing[group] ?? 0) > 0
  }

  priceMicros(group: number): number {
    return this.#prices[group] ?? 0
  }

  marginalMicros(group: number): number {
    const tier = this.fleet.groups[group]?.tier
    return tier === 'committed' || tier === 'reserved' ? 0 : this.priceMicros(group)
  }

  groupsFor(unit: Unit): readonly NodeGroup[] {
    return this.#order.get(unit) ?? []
  }

  fit(demand: Demand): Spots | undefined {
    for (const group of this.groupsFor(demand.unit)) {
      if (this.refuses(group.number) || !this.#mayHold(group, demand)) continue
      const tree = this.#treeOf(group)
      for (const { first, end } of domainsOf(group, demand.within)) {
        const spots = fitIn({ size: group.size, first, count: end - first }, demand, {
          first: (least, from) => {
            const found = tree.firstAtLeast(least, first - group.first + from) - first + group.first
            return found < end - first ? found : -1
          },
          free: (index) => this.#free[first + index] ?? 0,
        })
        if (spots) return spots
      }
    }
    return undefined
  }

  #treeOf({ number, first, count, size }: NodeGroup): MaxTree {
    const known = this.#trees[number]
    if (known) return known
    const tree = createMaxTree(count, size)
    for (let i = 0; i < count; i++) tree.set(i, this.free(first + i))
    this.#trees[number] = tree
    return tree
  }

  mayFit(demand: Demand): boolean {
    return this.groupsFor(demand.unit).some((group) => this.#mayHold(group, demand))
  }

  #mayHold({ number, size }: NodeGroup, { amount, ranks }: Demand): boolean {
    const whole = ranks === 0 ? Math.floor(amount / size) : amount === ranks * size ? ranks : 0
    return (this.#room[number] ?? 0) >= amount && (this.#empty[number] ?? 0) >= whole
  }

  couldEverFit(group: NodeGroup, demand: Demand): boolean {
    const { size } = group
    const count = Math.min(group.count, domainSize(group, demand.within))
    const first = (least: number, from: number) => (least <= size && from < count ? from : -1)
    return fitIn({ size, first: group.first, count }, demand, { first, free: () => size }) !== undefined
  }

  take(spots: Spots): void {
    this.#change(spots, -1)
  }

  give(spots: Spots): void {
    this.#change(spots, 1)
    if (spots.length > 0) this.gains++
  }

  /** An accelerator is taken as a whole one when its first share comes, and given back when its last one goes. */
  takeShare(spots: Spots, { device }: Place, milli: number): void {
    const key = `${spots[0]} ${device}`
    const shares = this.#shares.get(key) ?? 0
    if (shares === 0) this.take(spots)
    this.#shares.set(key, shares + 1)
    this.tallies.gpu.idleMilli += (shares === 0 ? 1000 : 0) - milli
  }

  giveShare(spots: Spots, { device }: Place, milli: number): void {
    const key = `${spots[0]} ${device}`
    const shares = (this.#shares.get(key) ?? 0) - 1
    if (shares > 0) this.#shares.set(key, shares)
    else this.#shares.delete(key)
    if (shares <= 0) this.give(spots)
    this.tallies.gpu.idleMilli += milli - (shares <= 0 ? 1000 : 0)
    this.gains++
  }

  /** Takes a node out of use; what stood on it must be gone. It is back when it was opened as often as closed. */
  close(node: number): void {
    const group = this.groupOf(node)
    this.#closed[node] = (this.#closed[node] ?? 0) + 1
    if (this.#closed[node] !== 1) return
    if (this.#free[node] !== group.size) throw new RangeError(`node ${node} is closed under what stands on it`)
    this.#setUsable(group, node, false)
  }

  open(node: number): void {
    const group = this.groupOf(node)
    this.#closed[node] = (this.#closed[node] ?? 0) - 1
    if (this.#closed[node] !== 0) return
    this.#setUsable(group, node, true)
    this.gains++
  }

  #setUsable({ number, unit, size, first }: NodeGroup, node: number, usable: boolean): void {
    const sign = usable ? 1 : -1
    this.toggled.push(node)
    this.tallies[unit].usable += sign * size
    this.#empty[number] = (this.#empty[number] ?? 0) + sign
    this.#room[number] = (this.#room[number] ?? 0) + sign * size
    this.#trees[number]?.set(node - first, usable ? size : 0)
  }

  /** Nothing new starts in a group while it refuses; it takes again when it was told so as often. */
  setRefusing(group: number, refuses: boolean): void {
    this.#refusing[group] = (this.#refusing[group] ?? 0) + (refuses ? 1 : -1)
    if (!refuses) this.gains++
  }

  setPrice(group: number, priceMicros: number): void {
    this.#prices[group] = priceMicros
    this.repriced++
    this.#sortGroups()
  }

  /** The cheapest first, by what one unit more would cost. */
  #sortGroups(): void {
    const cost = ({ number, size }: NodeGroup) => this.marginalMicros(number) / size
    const sorted = this.fleet.groups.toSorted((a, b) => cost(a) - cost(b) || a.number - b.number)
    for (const unit of ['gpu', 'cpu'] as const)
      this.#order.set(
        unit,
        sorted.filter((group) => group.unit === unit),
      )
  }

  /**
   * Gives back or takes what a gang has of its nodes, which are of one group, and counts what that changes. Gangs have
   * thousands of nodes: sums are written once.
   */
  #change(spots: Spots, sign: 1 | -1): void {
    const { number, first, size, unit } = this.groupOf(spots[0] ?? 0)
    const free = this.#free
    const tree = this.#trees[number]
    let [sum, splintered, busy, empty] = [0, 0, 0, 0]
    for (let i = 0; i < spots.length; i += 2) {
      const node = spots[i] ?? 0
      const amount = sign * (spots[i + 1] ?? 0)
      const now = free[node] ?? 0
      const next = now + amount
      if (sign < 0 && (amount >= 0 || next < 0 || !this.usable(node)))
        broken(`node ${node} has ${this.free(node)} free, and ${-amount} of it are given`)
      sum += amount
      splintered += splinters(next, size) - splinters(now, size)
      busy += Number(next < size) - Number(now < size)
      empty += Number(next === size) - Number(now === size)
      free[node] = next
      tree?.set(node - first, next)
    }
    const counts = this.tallies[unit]
    counts.used -= sum
    counts.splintered += splintered
    this.#busy[number] = (this.#busy[number] ?? 0) + busy
    this.#empty[number] = (this.#empty[number] ?? 0) + empty
    this.#room[number] = (this.#room[number] ?? 0) + sum
  }
}

const tally = (): Tally => ({ used: 0, usable: 0, splintered: 0, idleMilli: 0 })

/** What is free on a node that is partly taken: no gang of whole nodes can have it. */
const splinters = (free: number, size: number): number => (free < size ? free : 0)

/** Nodes of a group in a row, counted from 0: the first from one on with so much free, and what is free on one. */
type Look = { first: (least: number, from: number) => number; free: (index: number) => number }

type Row = { size: number; first: number; count: number }

function fitIn(group: Row, { amount, ranks }: Demand, look: Look): number[] | undefined {
  if (ranks > 0) return fitRanks({ first: group.first, each: amount / ranks, ranks }, look)
  const whole = Math.floor(amount / group.size)
  if (whole > group.count) return undefined
  const spots = fitRanks({ first: group.first, each: group.size, ranks: whole }, look)
  const rest = amount - whole * group.size
  if (!spots || rest === 0) return spots
  for (let at = look.first(rest, 0); at >= 0; at = look.first(rest, at + 1)) {
    if (spots.some((node, i) => i % 2 === 0 && node === group.first + at)) continue
    spots.push(group.first + at, rest)
    return spots
  }
  return undefined
}

type Ranks = { first: number; each: number; ranks: number }

function fitRanks({ first, each, ranks }: Ranks, look: Look): number[] | undefined {
  const spots: number[] = []
  let left = ranks
  for (let at = look.first(each, 0); left > 0; at = look.first(each, at + 1)) {
    if (at < 0) return undefined
    const here = Math.min(left, Math.floor(look.free(at) / each))
    spots.push(first + at, here * each)
    left -= here
  }
  return spots
}
