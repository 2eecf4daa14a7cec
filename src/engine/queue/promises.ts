import { createQuotaTree } from './quota.ts'
import { headOf } from './request.ts'
import { earliest, passes, setFence } from './reservation.ts'

import type { Cell } from '#engine/cell/cell.ts'
import type { QuotaNode, QuotaTree } from './quota.ts'
import type { Held, Refusal, Request, Reservation, Signature } from './request.ts'
import type { Start } from './reservation.ts'

type Options = {
  cells: readonly Cell[]
  quotas: readonly QuotaNode[]
  quota: QuotaTree
  held: ReadonlyMap<string, Held>
  rootOf: (project: string) => string
  /** A promise is no more: what it kept from others in a cell and a tree of quotas is free. */
  lost: (cell: number, project: string) => void
}

/**
 * The starts that are promised: at most one in each cell, kept until its owner starts or leaves, also against who comes
 * later and would go before it. So a start comes never later than was said, if all end when they are known to.
 */
export class Promises {
  readonly #given: Options
  readonly #promised: (Reservation | null)[]
  /** The quotas of each tree. */
  readonly #trees: Map<string, QuotaNode[]>

  constructor(given: Options) {
    this.#given = given
    this.#promised = given.cells.map(() => null)
    this.#trees = Map.groupBy(given.quotas, ({ name }) => given.rootOf(name))
  }

  all(): readonly Reservation[] {
    return this.#promised.filter((reservation) => reservation !== null)
  }

  of(cell: number): Reservation | null {
    return this.#promised[cell] ?? null
  }

  /** Promises a start in the cell without a promise where it comes first. */
  make(owner: Signature, now: number): void {
    const head = headOf(owner)
    const open = owner.want.cells.filter((number) => !this.#promised[number])
    if (owner.reservation || owner.hopeless || !head || open.length === 0) return
    const { quota, cells } = this.#given
    const claims = this.#claims(owner)
    for (const { request } of claims) quota.add(request.want.project, request.want.amounts)
    let best: { number: number; start: Start } | null = null
    for (const number of open) {
      const cell = cells[number]
      const holders = [...this.#holders(owner, number, now), ...claims]
      holders.sort((a, b) => (a.ends === b.ends ? 0 : a.ends - b.ends))
      const start = cell ? earliest({ cell, number, owner, holders, quota, now }) : null
      if (start && (!best || start.at < best.start.at)) best = { number, start }
    }
    for (const { request } of claims) quota.remove(request.want.project, request.want.amounts)
    if (best) this.#promise(owner, head, { ...best, claims, now })
    else owner.hopeless = open.length === owner.want.cells.length
  }

  #promise(owner: Signature, request: Request, { number, start, claims, now }: Found): void {
    const root = this.#given.rootOf(owner.want.project)
    const quota = createQuotaTree(this.#trees.get(root) ?? [])
    quota.add(owner.want.project, owner.want.amounts)
    const reservation = { ...start, owner, request, cell: number, root, quota, counted: new Set<string>(), shut: [] }
    for (const one of [...this.#holders(owner, -1, now), ...claims]) this.#countIn(reservation, one)
    this.#promised[number] = reservation
    owner.reservation = reservation
  }

  /** Those who run in a cell or under the owner's quotas; of those who ran over their time nobody knows the end. */
  #holders(owner: Signature, number: number, now: number): Held[] {
    const { held, rootOf } = this.#given
    const root = rootOf(owner.want.project)
    const found: Held[] = []
    for (const one of held.values())
      if (one.cell === number || rootOf(one.request.want.project) === root)
        found.push(one.ends < now ? { ...one, ends: Infinity } : one)
    return found
  }

  /** Who is promised a start under the same quotas, as if it ran already. */
  #claims(owner: Signature): Held[] {
    const root = this.#given.rootOf(owner.want.project)
    return this.all()
      .filter((reservation) => reservation.root === root)
      .map(({ request, at, cell }) => ({ request, cell, gang: -1, ends: at + request.lastsMs }))
  }

  drop(owner: Signature): void {
    const { reservation } = owner
    if (!reservation) return
    const { cell, request } = reservation
    this.openFence(cell)
    owner.reservation = null
    this.#promised[cell] = null
    this.uncount(request)
    this.#given.lost(cell, owner.want.project)
  }

  /** What of quotas stands in the way now, or when those start to whom it is promised. */
  quotaMissing(asker: Signature, ends: number): Refusal | null {
    const { project, amounts } = asker.want
    const shortage = this.#given.quota.shortage(project, amounts)
    if (shortage) return { cause: 'quota', ...shortage }
    const root = this.#given.rootOf(project)
    const before = this.#promised.find((one) => {
      if (!one || one.root !== root || one.owner === asker || passes(one, ends)) return false
      const isCounted = asker.reservation !== null && one.counted.has(asker.reservation.request.id)
      return !isCounted && one.quota.shortage(project, amounts) !== null
    })
    return before ? { cause: 'reserved', until: before.at, for: before.request.id } : null
  }

  isOpenTo(cell: number, asker: Signature, ends: number): boolean {
    const reservation = this.#promised[cell]
    return !reservation || reservation.owner === asker || passes(reservation, ends)
  }

  setFence(number: number, asker: Signature, ends: number): void {
    const [cell, reservation] = [this.#given.cells[number], this.#promised[number]]
    if (cell && reservation) setFence(cell, reservation, this.isOpenTo(number, asker, ends))
  }

  openFence(number: number): void {
    const [cell, reservation] = [this.#given.cells[number], this.#promised[number]]
    if (cell && reservation) setFence(cell, reservation, true)
  }

  /** Counts somebody who starts where it still runs when others are to start. */
  count(held: Held): void {
    for (const reservation of this.#promised) if (reservation) this.#countIn(reservation, held)
  }

  #countIn(reservation: Reservation, { request, ends }: Held): void {
    const { counted, quota, root } = reservation
    const { project, amounts } = request.want
    if (passes(reservation, ends) || counted.has(request.id) || this.#given.rootOf(project) !== root) return
    counted.add(request.id)
    quota.add(project, amounts)
  }

  uncount({ id, want }: Request): void {
    for (const one of this.#promised) if (one?.counted.delete(id)) one.quota.remove(want.project, want.amounts)
  }

  /** Drops the promise of nodes that may not be used any more. */
  recheck(number: number): void {
    const [cell, reservation] = [this.#given.cells[number], this.#promised[number]]
    if (cell && reservation?.nodes.some((node) => cell.usable[node] === 0)) this.drop(reservation.owner)
  }

  /** Drops promises that were not kept because somebody ran longer than was known. */
  expire(now: number): void {
    for (const one of this.#promised) if (one && one.at < now) this.drop(one.owner)
  }
}

type Found = { number: number; start: Start; claims: Held[]; now: number }
