import { createHeap, type Heap } from '#kit/heap.ts'

import { isOlder } from './order.ts'
import { headOf, type Signature, type Waiting } from './request.ts'

import type { Elders } from './elders.ts'
import type { Shares } from './share.ts'

/**
 * Some of those who wait, in the order in which they are asked: who has waited too long before all others (`Elders`), the
 * oldest first; then, where what is borrowed may be taken back, who borrows nothing; then by priority, then the project with the smaller share, then who has waited longest for how long it
 * runs (highest response ratio next: Brinch Hansen 1971), then who came first. No two are equal.
 */
export type Ready = {
  /** Adds somebody, also again when its place has become better. */
  add: (signature: Signature) => void
  /** Who is asked next; it stays. */
  peek: () => Signature | null
  /** Takes out who is asked next. */
  next: () => Signature | null
  /** Whether somebody is asked before another, who may be none of these. */
  isBefore: (a: Signature, b: Signature) => boolean
}

type Rules = {
  now: number
  shares: Shares
  elders: Elders
  /** Whether somebody would borrow; absent where it does not matter. */
  borrows?: ((signature: Signature) => boolean) | undefined
  /** Whether somebody is still among these. */
  isIn: (signature: Signature) => boolean
}

/** A place in the order, as it was when it was given. Elders have no priority, no path and no ratio. */
type Place = {
  signature: Signature
  head: Waiting
  isElder: boolean
  borrows: boolean
  priority: number
  path: readonly Step[]
  ratio: number
}
type Step = ReturnType<Shares['path']>[number]

/** Who does not say how long it runs stands beside those who run for a day. */
const unknownMs = 86_400_000

/** Those of one project and priority: among these nothing but their age and how long they run decides. */
type Group = Rank & { members: Heap<Place>; isListed: boolean }
type Rank = Pick<Place, 'isElder' | 'borrows' | 'priority'> & { path: readonly Step[] }

/**
 * While a turn lasts, shares only grow, since it lets others start and ends nobody. So a group may only become worse,
 * unless somebody is added again: which is first, and whose place is still right, goes before all others, and of these
 * none has to be looked at again.
 */
export function createReady(rules: Rules): Ready {
  const { now, shares, borrows, isIn } = rules
  const groups = new Map<string, Group>()
  const order = createHeap<Group>((a, b) => compareGroups(a, b) < 0)
  function add(signature: Signature): void {
    const head = headOf(signature)
    if (!head) return
    const place = placeIn(rules, signature, head)
    const key = place.isElder ? '' : `${place.borrows} ${place.priority} ${head.want.project}`
    const group = groups.get(key) ?? groupOf(place)
    groups.set(key, group)
    group.members.push(place)
    if (!group.isListed) list(group, place.path)
  }
  function list(group: Group, path: readonly Step[]): void {
    group.path = path
    group.isListed = true
    order.push(group)
  }
  function first(): { group: Group; place: Place } | null {
    for (let group = order.peek(); group; group = order.peek()) {
      const place = group.members.peek()
      const path = place && !group.isElder ? shares.path(place.head.want.project, now) : group.path
      if (!place || comparePaths(path, group.path) !== 0) {
        order.pop()
        group.isListed = false
        if (place) list(group, path)
        continue
      }
      const { signature, head, isElder } = place
      const isHere = isIn(signature) && headOf(signature) === head
      if (isHere && (isElder || !borrows || borrows(signature) === place.borrows)) return { group, place }
      group.members.pop()
      if (isHere) add(signature)
    }
    return null
  }
  const peek = (): Signature | null => first()?.place.signature ?? null
  return {
    add,
    peek,
    next() {
      const next = first()
      next?.group.members.pop()
      return next?.place.signature ?? null
    },
    isBefore(a, b) {
      const [head, other] = [headOf(a), headOf(b)]
      return !!head && (!other || compare(placeIn(rules, a, head), placeIn(rules, b, other)) < 0)
    },
  }
}

function placeIn({ now, shares, elders, borrows }: Rules, signature: Signature, head: Waiting): Place {
  const { project, priority } = head.want
  if (elders.is(signature, now))
    return { signature, head, isElder: true, borrows: false, priority: 0, path: [], ratio: 0 }
  const ratio = (now - head.since) / (head.lastsMs < Infinity ? Math.max(1, head.lastsMs) : unknownMs)
  const isBorrower = borrows?.(signature) ?? false
  return { signature, head, isElder: false, borrows: isBorrower, priority, path: shares.path(project, now), ratio }
}

const compare = (a: Place, b: Place): number => compareGroups(a, b) || compareMembers(a, b)

function compareGroups(a: Rank, b: Rank): number {
  if (a.isElder !== b.isElder) return a.isElder ? -1 : 1
  if (a.borrows !== b.borrows) return a.borrows ? 1 : -1
  return b.priority - a.priority || comparePaths(a.path, b.path)
}

const groupOf = ({ isElder, borrows, priority, path }: Place): Group => ({
  isElder,
  borrows,
  priority,
  path,
  members: createHeap<Place>((a, b) => compareMembers(a, b) < 0),
  isListed: false,
})

const compareMembers = (a: Place, b: Place): number => b.ratio - a.ratio || (isOlder(a.head, b.head) ? -1 : 1)

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
