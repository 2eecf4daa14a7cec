import { refusalOf, refusals, take } from '#engine/cell/take.ts'

import { headOf } from './request.ts'
import { noRoom } from './room.ts'

import type { Fences } from './fences.ts'
import type { Promises } from './promises.ts'
import type { Held, Lack, Refusal, Signature, Way } from './request.ts'

type Options = {
  fences: Fences
  promises: Promises
  /** False where nobody reads how much room there was. */
  saysRoom: boolean | undefined
}

export type Refused = { refusal: Refusal; lack: Lack }

/** Tries the ways that somebody has, and takes what the first one wants that has quota and room. */
export class Trial {
  readonly #given: Options

  constructor(given: Options) {
    this.#given = given
  }

  /** The first of a row as it runs then, or what stood in its way. `ways` are those that it may be started in, best first. */
  ask(signature: Signature, ways: readonly Way[], now: number): Held | Refused {
    const { promises, fences, saysRoom } = this.#given
    const lack = { quota: false, room: false }
    const head = headOf(signature)
    if (!head || ways.length === 0) return { refusal: { cause: 'barred' }, lack }
    const ends = now + head.lastsMs
    let missing: Refusal | null = null
    for (const way of ways) {
      const quota = promises.quotaMissing(signature, way, ends)
      if (quota) {
        lack.quota = true
        missing ??= quota
        continue
      }
      const gang = this.#take(way, signature, ends)
      if (gang >= 0) return { request: head, way, gang, since: now, ends, leaves: false }
      if (gang !== refusals.tooLarge) lack.room = true
    }
    if (!lack.room) return { refusal: missing ?? { cause: 'too-large' }, lack }
    if (saysRoom === false) return { refusal: { cause: 'full' }, lack }
    return { refusal: noRoom(ways, (cell) => fences.of(cell)), lack }
  }

  #take(way: Way, signature: Signature, ends: number): number {
    const { fences, saysRoom } = this.#given
    if (saysRoom === false && !fences.mayHaveRoom(way, signature, ends)) return refusalOf(way.ask)
    fences.set(way.cell, signature, ends)
    return take(way.site, way.ask)
  }
}
