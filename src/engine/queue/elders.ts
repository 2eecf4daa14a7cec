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
  /** How many there are in all of these. */
  #listed = 0

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
    this.#grow(now)
    return this.#listed > 0 && signature.cells.some((cell) => this.of(cell, now) === signature)
  }

  #grow(now: number): void {
    for (let next = this.#young.peek(); next && next.head.since + this.#overdueMs <= now; next = this.#young.peek()) {
      this.#young.pop()
      if (!isIn(next)) continue
      for (const number of next.signature.cells) this.#old[number]?.push(next)
      this.#listed += next.signature.cells.length
    }
  }

  of(cell: number, now: number): Signature | null {
    this.#grow(now)
    const old = this.#old[cell]
    for (let first = old?.peek(); first; first = old?.peek()) {
      if (isIn(first)) return first.signature
      old?.pop()
      this.#listed--
    }
    return null
  }
}

type Heap = ReturnType<typeof createHeap<Elder>>

const isIn = ({ signature, head }: Elder): boolean => !signature.hopeless && headOf(signature) === head
