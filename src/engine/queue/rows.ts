import { askOf } from '#engine/cell/ask.ts'
import { createHeap } from '#kit/heap.ts'

import { isOlder } from './order.ts'

import type { Cell } from '#engine/cell/cell.ts'
import type { Signature, Waiting, Want, Way } from './request.ts'

/** The rows in which somebody waits, by the key of what they want. */
export class Rows {
  readonly #cells: readonly Cell[]
  #open = new Map<string, Signature>()
  /** What was made of a want once, and is used again: most rows are empty most of the time. */
  readonly #ways = new WeakMap<Want, readonly Way[]>()
  readonly #signatures = new WeakMap<Want, Signature>()

  constructor(cells: readonly Cell[]) {
    this.#cells = cells
  }

  get(key: string): Signature | undefined {
    return this.#open.get(key)
  }

  open(want: Want): Signature {
    const open = this.#open.get(want.key)
    if (open) return open
    const signature = this.#signatures.get(want) ?? this.#create(want)
    this.#open.set(want.key, signature)
    return signature
  }

  /** Nobody waits there any more. */
  close(signature: Signature): void {
    this.#open.delete(signature.want.key)
    // Each table of a map of V8 refers to the next: once one of them is old, all that come after it grow old as well.
    if (this.#open.size === 0) this.#open = new Map()
    signature.asleep = null
    signature.hopeless = false
    signature.aged = null
  }

  ways(want: Want): readonly Way[] {
    const known = this.#ways.get(want)
    if (known) return known
    const ways = want.options.map((option, number): Way => {
      const site = this.#cells[option.cell]
      if (!site) throw new RangeError(`there is no cell ${option.cell}`)
      return { ...option, number, site, ask: askOf(site, option.gang), need: JSON.stringify(option.gang) }
    })
    this.#ways.set(want, ways)
    return ways
  }

  #create(want: Want): Signature {
    const ways = this.ways(want)
    const signature: Signature = {
      want,
      ways,
      cells: [...new Set(ways.map(({ cell }) => cell))],
      row: createHeap<Waiting>(isOlder),
      asleep: null,
      reservation: null,
      hopeless: false,
      aged: null,
    }
    this.#signatures.set(want, signature)
    return signature
  }
}
