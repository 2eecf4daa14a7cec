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

/**
 * Those who sleep and go before somebody who is asked: they are promised a start before it takes what they wait for. They
 * are put in order once a turn for each cell where nobody has a promise, since in a turn nothing becomes better for them
 * but by a promise that falls free.
 */
export class Overtaken {
  readonly #given: Options
  readonly #orders = new Map<number, Ready>()

  constructor(given: Options) {
    this.#given = given
  }

  /** A turn begins, or a promise fell free: who could not be promised anything may be now. */
  forget(): void {
    if (this.#orders.size > 0) this.#orders.clear()
  }

  /** Somebody fell asleep, or has a better place than before. */
  add(signature: Signature): void {
    if (this.#orders.size === 0) return
    for (const cell of signature.cells) this.#orders.get(cell)?.add(signature)
  }

  /** Promises a start to those who go before `next` of those who are ready, in each cell of it where nobody has a promise yet. */
  promise(next: Signature, ready: Ready, now: number): void {
    const { fences, promises, chosen } = this.#given
    let stand: Stand | null = null
    for (const cell of next.cells) {
      const order = fences.of(cell) ? null : this.#orderOf(cell, now)
      if (!order) continue
      stand ??= ready.standOf(next)
      for (let first = order.peek(); first && goesBefore(order.standOf(first), stand); first = order.peek()) {
        order.next()
        if (!promises.canMake(first)) continue
        promises.make(first, chosen(first, now), now)
        if (fences.of(cell)) break
      }
    }
  }

  /** Most often nobody sleeps: then nobody is put in order. */
  #orderOf(cell: number, now: number): Ready | null {
    const { sleepers, promises, order: orderOf } = this.#given
    const known = this.#orders.get(cell)
    if (known || !sleepers.areOn(cell)) return known ?? null
    const order = orderOf(now, mayBePromised)
    for (const signature of sleepers.on(cell, (one) => promises.canMake(one))) order.add(signature)
    this.#orders.set(cell, order)
    return order
  }
}
