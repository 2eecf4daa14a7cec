import { createHeap } from '#kit/heap.ts'

import { headOf } from './request.ts'

import type { Signature, Waiting } from './request.ts'

type Wait = { at: number; signature: Signature; head: Waiting }

/**
 * Those for whom others would have to leave, and who wait instead: what they want comes by itself before they have waited
 * so long, this time. Whoever leaves starts again, which takes minutes and loses work: that is too much for a wait that is soon over.
 */
export class Patience {
  readonly #ms: number
  readonly #waiting = new Map<Signature, Waiting>()
  readonly #ends = createHeap<Wait>((a, b) => a.at < b.at)

  constructor(ms: number) {
    this.#ms = ms
  }

  /** Whether the first of a row waits on; `comesAt` tells when it starts if nobody leaves for it, in milliseconds. */
  holds(signature: Signature, head: Waiting, { now, comesAt }: { now: number; comesAt: () => number }): boolean {
    const at = (head.waitsSince ?? head.since) + this.#ms
    if (now >= at || comesAt() > at) return false
    if (this.#waiting.get(signature) === head) return true
    this.#waiting.set(signature, head)
    this.#ends.push({ at, signature, head })
    return true
  }

  /** When the first of them will have waited so long; Infinity where there is nobody. */
  nextEnd(): number {
    for (let first = this.#ends.peek(); first; first = this.#ends.peek()) {
      if (this.#isHere(first)) return first.at
      this.#ends.pop()
    }
    return Infinity
  }

  #isHere({ signature, head }: Wait): boolean {
    if (this.#waiting.get(signature) !== head) return false
    if (headOf(signature) === head) return true
    this.#waiting.delete(signature)
    return false
  }

  /** Those who waited so long in vain, each once. */
  over(now: number): Signature[] {
    const found: Signature[] = []
    for (let first = this.#ends.peek(); first && first.at <= now; first = this.#ends.peek()) {
      this.#ends.pop()
      if (!this.#isHere(first)) continue
      this.#waiting.delete(first.signature)
      found.push(first.signature)
    }
    return found
  }
}
