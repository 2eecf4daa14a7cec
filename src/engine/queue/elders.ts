import { createHeap } from '#kit/heap.ts'

import { isOlder } from './order.ts'
import { headOf, type Signature, type Waiting } from './request.ts'

type Elder = { signature: Signature; head: Waiting }

/**
 * Of those who have waited longer than a bound, the oldest in each cell: it goes before all others, so that nobody waits
 * forever. Only one at a time, since in a cell that is overloaded for longer than the bound all would be overdue, and
 * short work would stand behind weeks of long work. Who could not start if nobody else were there is none.
 */
export class Elders {
  readonly #overdueMs: number
  readonly #young = createHeap<Elder>((a, b) => isOlder(a.head, b.head))
  readonly #old: readonly Heap[]

  constructor(cells: number, overdueMs: number) {
    this.#overdueMs = overdueMs
    this.#old = Array.from({ length: cells }, () => createHeap<Elder>((a, b) => isOlder(a.head, b.head)))
  }

  /** Writes down the first of a row, once: it was not started when it was asked, or a turn did not come to it. */
  add(signature: Signature): void {
    const head = headOf(signature)
    if (!head || signature.aged === head) return
    signature.aged = head
    this.#young.push({ signature, head })
  }

  /** Most are started when they are asked for the first time; only those who come late need to be written down before. */
  addOverdue(awake: Iterable<Signature>, now: number): void {
    for (const signature of awake) {
      const head = headOf(signature)
      if (head && head.since + this.#overdueMs <= now) this.add(signature)
    }
  }

  is(signature: Signature, now: number): boolean {
    return signature.cells.some((cell) => this.of(cell, now) === signature)
  }

  of(cell: number, now: number): Signature | null {
    for (let next = this.#young.peek(); next && next.head.since + this.#overdueMs <= now; next = this.#young.peek()) {
      this.#young.pop()
      if (isIn(next)) for (const number of next.signature.cells) this.#old[number]?.push(next)
    }
    const old = this.#old[cell]
    for (let first = old?.peek(); first; first = old?.peek()) {
      if (isIn(first)) return first.signature
      old?.pop()
    }
    return null
  }
}

type Heap = ReturnType<typeof createHeap<Elder>>

const isIn = ({ signature, head }: Elder): boolean => !signature.hopeless && headOf(signature) === head
