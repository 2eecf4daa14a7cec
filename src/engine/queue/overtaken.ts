import { goesBefore, type Ready, type Stand } from './ready.ts'
import { mayBePromised } from './request.ts'

import type { Fences } from './fences.ts'
import type { Promises } from './promises.ts'
import type { Signature, Way } from './request.ts'
import type { Sleepers } from './sleepers.ts'

type Options = {
  fences: Fences
  sleepers: Sleepers
  promises: Promises
  order: (now: number, isIn: (signature: Signature) => boolean) => Ready
  /** The ways that the first of a row may be started in now. */
  chosen: (signature: Signature, now: number) => readonly Way[]
}

/** Those who sleep and go before somebody who is asked: they are promised a start before it takes what they wait for. */
export class Overtaken {
  readonly #given: Options

  constructor(given: Options) {
    this.#given = given
  }

  /** Promises a start to those who go before `next`, in each cell of it where nobody has a promise yet. */
  promise(next: Stand | null, now: number): void {
    const { fences, sleepers, promises, order: orderOf, chosen } = this.#given
    for (const cell of next?.place.signature.cells ?? []) {
      if (fences.of(cell)) continue
      const asleep = sleepers.on(cell, (one) => promises.canMake(one))
      if (asleep.length === 0) continue
      const order = orderOf(now, mayBePromised)
      for (const signature of asleep) order.add(signature)
      for (let first = order.peek(); first && goesBefore(order.standOf(first), next); first = order.peek()) {
        order.next()
        promises.make(first, chosen(first, now), now)
        if (fences.of(cell)) break
      }
    }
  }
}
