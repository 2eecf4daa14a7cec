import { setFence } from './reservation.ts'
import { mayFit } from './room.ts'
import { isOpen, type Reservation, type Signature, type Way } from './request.ts'

import type { Cell } from '#engine/cell/cell.ts'

/** What is kept of each cell for those who were promised a start: closed to others while these are asked. */
export class Fences {
  readonly #cells: readonly Cell[]
  readonly #onCell: readonly Reservation[][]
  readonly #waitsFor: (Reservation | null)[]

  constructor(cells: readonly Cell[]) {
    this.#cells = cells
    this.#onCell = cells.map(() => [])
    this.#waitsFor = cells.map(() => null)
  }

  on(cell: number): readonly Reservation[] {
    return this.#onCell[cell] ?? []
  }

  /** The one promise of nodes of a cell for which nobody has to leave. */
  of(cell: number): Reservation | null {
    return this.#waitsFor[cell] ?? null
  }

  add(reservation: Reservation): void {
    const { cell } = reservation.way
    this.#onCell[cell]?.push(reservation)
    this.#waitsFor[cell] ??= isPlain(reservation) ? reservation : null
  }

  remove(reservation: Reservation): void {
    const { cell } = reservation.way
    const [site, here] = [this.#cells[cell], this.#onCell[cell]]
    if (site) setFence(site, reservation, true)
    here?.splice(here.indexOf(reservation), 1)
    this.#waitsFor[cell] = here?.find(isPlain) ?? null
  }

  /** The same for all to whom the same is open in a cell. */
  keyFor(cell: number, asker: Signature, ends: number): string {
    let key = ''
    for (const one of this.on(cell)) key += isOpen(one, asker, ends) ? '1' : '0'
    return key
  }

  /** Opens to somebody what it may have, and closes the rest. */
  set(number: number, asker: Signature, ends: number): void {
    const cell = this.#cells[number]
    if (cell) for (const one of this.on(number)) setFence(cell, one, isOpen(one, asker, ends))
  }

  setAll(number: number, open: boolean): void {
    const cell = this.#cells[number]
    if (cell) for (const one of this.on(number)) setFence(cell, one, open)
  }

  /**
   * Tells by counts alone whether somebody may have room, before any node is opened or closed for it, which takes as long
   * as there are nodes. When it says no, it has none.
   */
  mayHaveRoom({ cell, site, ask }: Way, asker: Signature, ends: number): boolean {
    if (site.sharing) return true
    let more = 0
    for (const one of this.on(cell))
      if (one.shut.length > 0 && isOpen(one, asker, ends))
        more += ask.form.isWhole ? emptyOf(site, one) : one.shut.length
    return mayFit(ask, more)
  }

  /** The same, more exactly: counted with what is open to it. */
  hasRoom(way: Way, asker: Signature, ends: number): boolean {
    if (!this.mayHaveRoom(way, asker, ends)) return false
    this.set(way.cell, asker, ends)
    return mayFit(way.ask)
  }
}

const isPlain = ({ victims, nodes }: Reservation): boolean => !victims && nodes.length > 0

/** Nodes that are closed for a promise, and on which nobody is. */
function emptyOf({ logged, tenants, usable }: Cell, reservation: Reservation): number {
  if (reservation.emptyAt === logged) return reservation.empty
  let empty = 0
  // The fence counts as one who is there.
  for (const node of reservation.shut) if (tenants[node] === 1 && usable[node] === 1) empty++
  reservation.emptyAt = logged
  reservation.empty = empty
  return empty
}
