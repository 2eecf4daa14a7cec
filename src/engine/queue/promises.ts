import { createQuotaTree } from './quota.ts'
import { headOf } from './request.ts'
import { earliest, passes, setFence } from './reservation.ts'

import type { Cell } from '#engine/cell/cell.ts'
import type { QuotaNode, QuotaTree } from './quota.ts'
import type { Holders } from './holders.ts'
import type { Rehearsal } from './rehearsal.ts'
import type { Held, Refusal, Request, Reservation, Signature, Way } from './request.ts'
import type { Start } from './reservation.ts'

type Options = {
  cells: readonly Cell[]
  quotas: readonly QuotaNode[]
  quota: QuotaTree
  rehearsals: readonly Rehearsal[]
  holders: Holders
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

  /** Promises a start in the cell without a promise where it comes first, in one of these ways. */
  make(owner: Signature, ways: readonly Way[], now: number): void {
    const head = headOf(owner)
    const open = ways.filter(({ cell }) => !this.#promised[cell])
    if (owner.reservation || owner.hopeless || !head || open.length === 0) return
    const { quota } = this.#given
    const claims = this.#claims(owner)
    for (const { request, way } of claims) quota.add(request.want.project, way.amounts)
    let best: Start | null = null
    for (const way of open) {
      const rehearsal = this.#given.rehearsals[way.cell]
      const holders = [...this.#holders(owner, way.cell, now), ...claims]
      holders.sort((a, b) => (a.ends === b.ends ? 0 : a.ends - b.ends))
      const start = rehearsal ? earliest({ owner, way, rehearsal, holders, quota, now }) : null
      if (start && (!best || start.at < best.at)) best = start
    }
    for (const { request, way } of claims) quota.remove(request.want.project, way.amounts)
    if (best) this.#promise(owner, head, { start: best, claims, now })
    else owner.hopeless = open.length === ways.length
  }

  #promise(owner: Signature, request: Request, { start, claims, now }: Found): void {
    const root = this.#given.rootOf(owner.want.project)
    const quota = createQuotaTree(this.#trees.get(root) ?? [])
    quota.add(owner.want.project, start.way.amounts)
    const reservation: Reservation = { ...start, owner, request, root, quota, counted: new Map(), shut: [] }
    for (const one of [...this.#holders(owner, -1, now), ...claims]) this.#countIn(reservation, one)
    this.#promised[start.way.cell] = reservation
    owner.reservation = reservation
  }

  /** Those who run in a cell or under the owner's quotas; of those who ran over their time nobody knows the end. */
  #holders(owner: Signature, number: number, now: number): Held[] {
    const found = this.#given.holders.of(number, this.#given.rootOf(owner.want.project))
    return found.map((one) => (one.ends < now ? { ...one, ends: Infinity } : one))
  }

  /** Who is promised a start under the same quotas, as if it ran already. */
  #claims(owner: Signature): Held[] {
    const root = this.#given.rootOf(owner.want.project)
    return this.all()
      .filter((reservation) => reservation.root === root)
      .map(({ request, at, way }) => ({ request, way, gang: -1, ends: at + request.lastsMs }))
  }

  drop(owner: Signature): void {
    const { reservation } = owner
    if (!reservation) return
    const {
      request,
      way: { cell },
    } = reservation
    this.openFence(cell)
    owner.reservation = null
    this.#promised[cell] = null
    this.uncount(request)
    this.#given.lost(cell, owner.want.project)
  }

  /** What of quotas stands in the way now, or when those start to whom it is promised. */
  quotaMissing(asker: Signature, { amounts }: Way, ends: number): Refusal | null {
    const { project } = asker.want
    const shortage = this.#given.quota.shortage(project, amounts)
    if (shortage) return { cause: 'quota', ...shortage }
    const root = this.#given.rootOf(project)
    const before = this.#promised.find((one) => {
      if (!one || one.root !== root || isSame(one.owner, asker) || passes(one, ends)) return false
      const counted = asker.reservation && one.counted.get(asker.reservation.request.id)
      if (!counted) return one.quota.shortage(project, amounts) !== null
      if (counted === amounts) return false
      one.quota.remove(project, counted)
      const isMissing = one.quota.shortage(project, amounts) !== null
      one.quota.add(project, counted)
      return isMissing
    })
    return before ? { cause: 'reserved', until: before.at, for: before.request.id } : null
  }

  isOpenTo(cell: number, asker: Signature, ends: number): boolean {
    const reservation = this.#promised[cell]
    return !reservation || isSame(reservation.owner, asker) || passes(reservation, ends)
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

  #countIn(reservation: Reservation, { request, way: { amounts }, ends }: Held): void {
    const { counted, quota, root } = reservation
    const { project } = request.want
    if (passes(reservation, ends) || counted.has(request.id) || this.#given.rootOf(project) !== root) return
    counted.set(request.id, amounts)
    quota.add(project, amounts)
  }

  uncount({ id, want }: Request): void {
    for (const one of this.#promised) {
      const amounts = one?.counted.get(id)
      if (!one || !amounts) continue
      one.counted.delete(id)
      one.quota.remove(want.project, amounts)
    }
  }

  /** Drops the promise of nodes that may not be used any more. */
  recheck(number: number): void {
    const [cell, reservation] = [this.#given.cells[number], this.#promised[number]]
    if (cell && reservation?.nodes.some((node) => cell.usable[node] === 0)) this.drop(reservation.owner)
  }

  /** Drops the promise of nodes that somebody has who was not asked for here. */
  lose(number: number, nodes: readonly number[]): void {
    const reservation = this.#promised[number]
    if (reservation?.nodes.some((node) => nodes.includes(node))) this.drop(reservation.owner)
  }

  /** Drops promises that were not kept because somebody ran longer than was known. */
  expire(now: number): void {
    for (const one of this.#promised) if (one && one.at < now) this.drop(one.owner)
  }
}

type Found = { start: Start; claims: Held[]; now: number }

const isSame = (a: Signature, b: Signature): boolean =>
  a === b || (a.want.family !== undefined && a.want.family === b.want.family)
