import { createHeap, type Heap } from '#kit/heap.ts'

import { isOlder } from './order.ts'
import { headOf, type Signature, type Waiting } from './request.ts'
import { type Class, compareClasses, Standings } from './standings.ts'

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

/** Somebody in the order of its project, as it was when it was put there. Elders have no priority and no ratio. */
type Place = Class & { signature: Signature; head: Waiting; ratio: number }
/** Where a project stands. `borrows`: 0 if its first does not, 1 if it does and another of it does not, 2 if all do. */
type Rank = Class & { path: readonly Step[] }
type Step = ReturnType<Shares['path']>[number]

/** Who does not say how long it runs stands beside those who run for a day. */
const unknownMs = 86_400_000

/** Those of one project, apart by whether they borrowed when they were added. */
type Group = { borrowers: Heap<Place>; others: Heap<Place> }

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
  readonly #order: Standings<Group>
  /** The group of an elder that was taken out: its first may be another now. */
  #without: Group | undefined

  constructor(rules: Rules) {
    this.#rules = rules
    this.#order = new Standings(rules.shares, rules.now)
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
    const { shares, now } = this.#rules
    const path = place.isElder ? [] : shares.path(head.want.project, now)
    return { place, rank: { ...place, path, ...(isFollowed && { borrows: 1 }) } }
  }

  #first(): { group: Group; place: Place } | null {
    if (this.#without) this.#list(this.#without)
    this.#without = undefined
    for (let group = this.#order.first(); group; group = this.#order.first()) {
      const place = this.#list(group)
      if (place && this.#order.first() === group) return { group, place }
    }
    return null
  }

  /** Puts a group where it stands now; its first, if there is any. */
  #list(group: Group): Place | null {
    this.#front(group, 'others')
    const borrower = this.#front(group, 'borrowers')
    const other = group.others.peek() // who was found anew among the borrowers may be one of these
    const place = other && borrower && compareMembers(borrower, other) < 0 ? borrower : (other ?? borrower)
    if (!place) {
      this.#order.remove(group)
      return null
    }
    const { isElder, priority, head } = place
    const borrows = place === other ? 0 : other ? 1 : 2
    this.#order.put(group, { isElder, borrows, priority }, isElder ? null : head.want.project)
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

function placeIn({ now, elders, borrows }: Rules, signature: Signature, head: Waiting): Place {
  if (elders.is(signature, now)) return { signature, head, isElder: true, borrows: 0, priority: 0, ratio: 0 }
  const ratio = (now - head.since) / (head.lastsMs < Infinity ? Math.max(1, head.lastsMs) : unknownMs)
  return { signature, head, isElder: false, borrows: borrows?.(signature) ? 2 : 0, priority: head.want.priority, ratio }
}

const compareRanks = (a: Rank, b: Rank): number => compareClasses(a, b) || comparePaths(a.path, b.path)

const aGroup = (): Group => ({
  borrowers: createHeap<Place>((a, b) => compareMembers(a, b) < 0),
  others: createHeap<Place>((a, b) => compareMembers(a, b) < 0),
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
