import { createHeap } from '#kit/heap.ts'

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

/**
 * While a turn lasts, shares only grow, since it lets others start and ends nobody. So a place may only become worse,
 * unless somebody is added again: who is first, and whose place is still right, goes before all others, and of these none
 * has to be looked at again.
 */
export function createReady({ now, shares, elders, borrows, isIn }: Rules): Ready {
  const places = createHeap<Place>((a, b) => compare(a, b) < 0)
  const placeOf = (signature: Signature, head: Waiting): Place => {
    const { project, priority } = head.want
    if (elders.is(signature, now))
      return { signature, head, isElder: true, borrows: false, priority: 0, path: [], ratio: 0 }
    const ratio = (now - head.since) / (head.lastsMs < Infinity ? Math.max(1, head.lastsMs) : unknownMs)
    return {
      signature,
      head,
      isElder: false,
      borrows: borrows?.(signature) ?? false,
      priority,
      path: shares.path(project, now),
      ratio,
    }
  }
  function add(signature: Signature): void {
    const head = headOf(signature)
    if (head) places.push(placeOf(signature, head))
  }
  function peek(): Signature | null {
    for (let place = places.peek(); place; place = places.peek()) {
      const { signature, head, isElder, path } = place
      const isHere = isIn(signature) && headOf(signature) === head
      const isSame = isElder || comparePaths(path, shares.path(head.want.project, now)) === 0
      if (isHere && isSame && (isElder || !borrows || borrows(signature) === place.borrows)) return signature
      places.pop()
      if (isHere) add(signature)
    }
    return null
  }
  return {
    add,
    peek,
    next() {
      const first = peek()
      places.pop()
      return first
    },
    isBefore(a, b) {
      const [head, other] = [headOf(a), headOf(b)]
      return !!head && (!other || compare(placeOf(a, head), placeOf(b, other)) < 0)
    },
  }
}

function compare(a: Place, b: Place): number {
  if (a.isElder !== b.isElder) return a.isElder ? -1 : 1
  if (a.borrows !== b.borrows) return a.borrows ? 1 : -1
  if (a.priority !== b.priority) return b.priority - a.priority
  return comparePaths(a.path, b.path) || b.ratio - a.ratio || (isOlder(a.head, b.head) ? -1 : 1)
}

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
