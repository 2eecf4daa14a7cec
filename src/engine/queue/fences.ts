import { largestFree } from '#engine/cell/heads.ts'

import { setFence } from './reservation.ts'
import { mayFit, nodesLacking } from './room.ts'
import { isOpen, type Reservation, type Signature, type Way } from './request.ts'

import type { Cell, Form } from '#engine/cell/cell.ts'

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
  mayHaveRoom(way: Way, asker: Signature, ends: number): boolean {
    if (way.site.sharing) return true
    const exact = this.#roomFor(way, asker, ends)
    if (exact !== null) return exact >= way.ask.units
    return mayFit(way.ask, this.#shutTo(way.cell, asker, ends))
  }

  /** At least so many nodes have to be given back before somebody has room, by counts alone. */
  nodesLacking(way: Way, asker: Signature, ends: number): number {
    return nodesLacking(way.ask) - this.#shutTo(way.cell, asker, ends)
  }

  /** Nodes that are closed now and open to somebody. */
  #shutTo(cell: number, asker: Signature, ends: number): number {
    let nodes = 0
    for (const one of this.on(cell)) if (one.shut.length > 0 && isOpen(one, asker, ends)) nodes += one.shut.length
    return nodes
  }

  /** Whether a look at nothing but counts finds room. */
  hasRoom(way: Way, asker: Signature, ends: number): boolean {
    if (!this.mayHaveRoom(way, asker, ends)) return false
    if (this.#roomFor(way, asker, ends) !== null) return true
    this.set(way.cell, asker, ends)
    return mayFit(way.ask)
  }

  /** How many whole nodes somebody may have who wants them anywhere in a cell; null where that is not known so easily. */
  #roomFor({ cell, site, ask }: Way, asker: Signature, ends: number): number | null {
    const isAnywhere = ask.kind === 'gang' && ask.loosest === site.tree.levels - 1
    const here = this.on(cell)
    if (!isAnywhere || !ask.form.isWhole || ask.form.isRuled || site.sharing || here.length > 1) return null
    const free = largestFree(ask, ask.loosest)
    const [only] = here
    if (!only || isOpen(only, asker, ends) === (only.shut.length === 0)) return free
    return free + whenTurned(only, ask.form)
  }
}

const isPlain = ({ victims, nodes }: Reservation): boolean => !victims && nodes.length > 0

/** How many whole nodes more there would be if the fence of a promise were opened; below 0, if it were closed. */
function whenTurned(reservation: Reservation, form: Form): number {
  const { nodes, shut, turned } = reservation
  const { cell, allowed } = form
  const { classOf, closedBy, logged, tenants, usable } = cell
  if (turned.form === form && turned.at === logged) return turned.nodes
  const isShut = shut.length > 0
  let count = 0
  for (const node of isShut ? shut : nodes) {
    // A fence counts as one who is there.
    const isEmpty = isShut ? tenants[node] === 1 : tenants[node] === 0 && closedBy[node] === 0
    if (isEmpty && usable[node] === 1 && allowed[classOf[node] ?? 0] === 1) count++
  }
  reservation.turned = { form, at: logged, nodes: isShut ? count : -count }
  return reservation.turned.nodes
}
