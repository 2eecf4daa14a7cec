import { createHeap, type Heap } from '#kit/heap.ts'

import { isOlder } from './order.ts'
import { headOf, type Signature, type Waiting } from './request.ts'

import type { Elders } from './elders.ts'
import type { Shares } from './share.ts'

type Rules = {
  now: number
  shares: Shares
  elders: Elders
  /** Whether somebody would borrow; absent where it does not matter. */
  borrows?: ((signature: Signature) => boolean) | undefined
  /** Whether somebody is still among these. */
  isIn: (signature: Signature) => boolean
}

/** Where somebody stands, and its project with it. */
export type Stand = { rank: Rank; place: Place }

/** Whether somebody is asked before another, who may be of those of another order. */
export function goesBefore(a: Stand | null, b: Stand | null): boolean {
  if (!a || !b) return a !== null
  const isOne = !a.rank.isElder && !b.rank.isElder && a.place.head.want.project === b.place.head.want.project
  return ((isOne ? 0 : compareRanks(a.rank, b.rank)) || compareMembers(a.place, b.place)) < 0
}

/** A place in the order, as it was when it was given. Elders have no priority, no path and no ratio. */
type Place = Rank & { signature: Signature; head: Waiting; ratio: number }
/** Where a project stands. `borrows`: 0 if its first does not, 1 if it does and another of it does not, 2 if all do. */
type Rank = { isElder: boolean; borrows: number; priority: number; path: readonly Step[] }
type Step = ReturnType<Shares['path']>[number]

/** Who does not say how long it runs stands beside those who run for a day. */
const unknownMs = 86_400_000

/** Those of one project, apart by whether they borrowed when they were added. */
type Group = { borrowers: Heap<Place>; others: Heap<Place>; entry: Entry | null }
/** Where a group stood when it was looked at last; an older one says nothing. */
type Entry = { group: Group; rank: Rank }

/**
 * Some of those who wait, in the order in which they are asked: who has waited too long before all others (`Elders`), the
 * oldest first; then by priority, then the project with the smaller share, then who has waited longest for how long it
 * runs (highest response ratio next: Brinch Hansen 1971), then who came first. No two are equal.
 *
 * Where what is borrowed may be taken back, projects that borrow go after those that do not, and each project has its own
 * order in it: its first goes before all others of it, as in Kueue. A project whose first would borrow, while another of it
 * would not, goes between the two: nobody else may borrow first what this project still has of its own.
 *
 * While a turn lasts, shares and what is held only grow, since it lets others start and ends nobody. So a group may only
 * become worse, unless somebody is added again or its first is taken out: which is first, and whose place is still right,
 * goes before all others, and of these none has to be looked at again.
 */
export class Ready {
  readonly #rules: Rules
  readonly #groups = new Map<string, Group>()
  readonly #order = createHeap<Entry>((a, b) => compareRanks(a.rank, b.rank) < 0)
  /** The group of an elder that was taken out: its first may be another now. */
  #without: Group | undefined

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** Adds somebody, also again when its place has become better. */
  add(signature: Signature): void {
    const head = headOf(signature)
    if (!head) return
    const place = placeIn(this.#rules, signature, head)
    const key = place.isElder ? '' : head.want.project
    const group = this.#groups.get(key) ?? aGroup()
    this.#groups.set(key, group)
    const members = place.borrows > 0 ? group.borrowers : group.others
    members.push(place)
    if (members.peek() === place) this.#list(group)
  }

  /** Who is asked next; it stays. */
  peek(): Signature | null {
    return this.#first()?.place.signature ?? null
  }

  /** Takes out who is asked next. */
  next(): Signature | null {
    const first = this.#first()
    if (!first) return null
    const { group, place } = first
    const members = place.borrows > 0 ? group.borrowers : group.others
    members.pop()
    this.#list(group)
    if (place.isElder) this.#without = this.#groups.get(place.head.want.project)
    return place.signature
  }

  /** Where somebody stands who is among these, or was taken out last of its project. */
  standOf(signature: Signature): Stand | null {
    const head = headOf(signature)
    if (!head) return null
    const place = placeIn(this.#rules, signature, head)
    const group = this.#groups.get(head.want.project)
    const isFollowed = place.borrows > 0 && group !== undefined && this.#front(group, 'others') !== null
    return { place, rank: isFollowed ? { ...place, borrows: 1 } : place }
  }

  #first(): { group: Group; place: Place } | null {
    if (this.#without) this.#list(this.#without)
    this.#without = undefined
    for (let entry = this.#order.peek(); entry; entry = this.#order.peek()) {
      const { group } = entry
      const place = group.entry === entry ? this.#list(group) : null
      if (place && group.entry === entry) return { group, place }
      if (this.#order.peek() === entry) this.#order.pop()
    }
    return null
  }

  /** Lists a group where it stands now, if it is not listed there yet; its first, if there is any. */
  #list(group: Group): Place | null {
    const { shares, now } = this.#rules
    this.#front(group, 'others')
    const borrower = this.#front(group, 'borrowers')
    const other = group.others.peek() // who was found anew among the borrowers may be one of these
    const place = other && borrower && compareMembers(borrower, other) < 0 ? borrower : (other ?? borrower)
    if (!place) {
      group.entry = null
      return null
    }
    const { isElder, priority, head } = place
    const path = isElder ? place.path : shares.path(head.want.project, now)
    const rank = { isElder, borrows: place === other ? 0 : other ? 1 : 2, priority, path }
    if (group.entry && compareRanks(group.entry.rank, rank) === 0) return place
    group.entry = { group, rank }
    this.#order.push(group.entry)
    return place
  }

  /** The first of a project who waits there still, and borrows or does not as it did. */
  #front(group: Group, side: 'others' | 'borrowers'): Place | null {
    const { isIn, borrows } = this.#rules
    const members = group[side]
    for (let place = members.peek(); place; place = members.peek()) {
      const { signature, head, isElder } = place
      const isHere = isIn(signature) && headOf(signature) === head
      const isRight = side === 'borrowers' || isElder || !borrows?.(signature)
      if (isHere && isRight) return place
      members.pop()
      if (isHere) group.borrowers.push({ ...place, borrows: 2 })
      else if (isIn(signature)) this.add(signature)
    }
    return null
  }
}

function placeIn({ now, shares, elders, borrows }: Rules, signature: Signature, head: Waiting): Place {
  const { project, priority } = head.want
  if (elders.is(signature, now)) return { signature, head, isElder: true, borrows: 0, priority: 0, path: [], ratio: 0 }
  const ratio = (now - head.since) / (head.lastsMs < Infinity ? Math.max(1, head.lastsMs) : unknownMs)
  const path = shares.path(project, now)
  return { signature, head, isElder: false, borrows: borrows?.(signature) ? 2 : 0, priority, path, ratio }
}

function compareRanks(a: Rank, b: Rank): number {
  if (a.isElder !== b.isElder) return a.isElder ? -1 : 1
  return a.borrows - b.borrows || b.priority - a.priority || comparePaths(a.path, b.path)
}

const aGroup = (): Group => ({
  borrowers: createHeap<Place>((a, b) => compareMembers(a, b) < 0),
  others: createHeap<Place>((a, b) => compareMembers(a, b) < 0),
  entry: null,
})

const compareMembers = (a: Place, b: Place): number =>
  b.priority - a.priority || b.ratio - a.ratio || (isOlder(a.head, b.head) ? -1 : 1)

/** From the root on; work of a group itself goes before that of its parts. */
function comparePaths(a: readonly Step[], b: readonly Step[]): number {
  if (a === b) return 0
  for (const [i, step] of a.entries()) {
    const other = b[i]
    if (!other) return 1
    if (step.share !== other.share) return step.share - other.share
    if (step.name !== other.name) return step.name < other.name ? -1 : 1
  }
  return a.length - b.length
}
