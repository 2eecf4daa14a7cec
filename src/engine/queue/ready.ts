import { createHeap } from '#kit/heap.ts'

import { headOf, type Signature, type Waiting } from './request.ts'

import type { Shares } from './share.ts'

/** Who is to be asked in a turn, in the order of `goesBefore`. */
export type Ready = {
  add: (signature: Signature) => void
  /** Takes out who is asked next. */
  next: () => Signature | null
}

/** A place in the order, as it was when it was given. Priority is none, and there is no path, for who is overdue. */
type Place = { signature: Signature; head: Waiting; isOverdue: boolean; priority: number; path: Step[] }
type Step = ReturnType<Shares['path']>[number]

/**
 * While a turn lasts, shares only grow, since it lets others start and ends nobody. So a place may only become worse: who
 * is first, and whose place is still right, goes before all others, and of these none has to be looked at again.
 */
export function createReady({ now, overdueMs, shares }: { now: number; overdueMs: number; shares: Shares }): Ready {
  const places = createHeap<Place>((a, b) => compare(a, b) < 0)
  function add(signature: Signature): void {
    const head = headOf(signature)
    if (!head) return
    const isOverdue = head.since + overdueMs <= now
    const { project, priority } = head.want
    places.push({
      signature,
      head,
      isOverdue,
      priority: isOverdue ? 0 : priority,
      path: isOverdue ? [] : shares.path(project, now),
    })
  }
  return {
    add,
    next() {
      for (let place = places.pop(); place; place = places.pop()) {
        const { signature, head, isOverdue, path } = place
        if (signature.asleep !== null || headOf(signature) !== head) continue
        const isRight = isOverdue || comparePaths(path, shares.path(head.want.project, now)) === 0
        if (isRight) return signature
        add(signature)
      }
      return null
    },
  }
}

function compare(a: Place, b: Place): number {
  if (a.isOverdue !== b.isOverdue) return a.isOverdue ? -1 : 1
  if (a.priority !== b.priority) return b.priority - a.priority
  return comparePaths(a.path, b.path) || a.head.since - b.head.since || a.head.order - b.head.order
}

/** From the root on; work of a group itself goes before that of its parts. */
function comparePaths(a: readonly Step[], b: readonly Step[]): number {
  for (const [i, step] of a.entries()) {
    const other = b[i]
    if (!other) return 1
    if (step.share !== other.share) return step.share - other.share
    if (step.name !== other.name) return step.name < other.name ? -1 : 1
  }
  return a.length - b.length
}
