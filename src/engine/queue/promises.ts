import { refusals, release, take } from '#engine/cell/take.ts'

import { Leaving } from './leaving.ts'
import { createQuotaTree } from './quota.ts'
import { headOf, isOpen, mayBePromised, passes, workOf } from './request.ts'
import { allNodesOf, close, earliest, notBefore, reopen } from './reservation.ts'

import type { Ask } from '#engine/cell/ask.ts'
import type { Cell } from '#engine/cell/cell.ts'
import type { Fences } from './fences.ts'
import type { Amounts, QuotaNode, QuotaTree } from './quota.ts'
import type { Holders } from './holders.ts'
import type { Rehearsal } from './rehearsal.ts'
import type { Held, Refusal, Request, Reservation, Signature, Way } from './request.ts'
import type { Start } from './reservation.ts'

type Options = {
  cells: readonly Cell[]
  quotas: readonly QuotaNode[]
  quota: QuotaTree
  fences: Fences
  rehearsals: readonly Rehearsal[]
  holders: Holders
  rootOf: (project: string) => string
  /** Whether somebody may keep quota for a start that nobody knows the time of. */
  mayKeep: (owner: Signature, way: Way, now: number) => boolean
  /** A promise is no more: what it kept from others in a cell and a tree of quotas is free. */
  lost: (cell: number, project: string) => void
}

/**
 * The starts that are promised, kept until their owner starts or leaves, also against who comes later and would go before
 * it. In each cell one is promised to who waits, so that it comes never later than was said, if all end when they are
 * known to; and others to those for whom somebody had to leave.
 */
export class Promises {
  readonly #given: Options
  readonly #all: Reservation[] = []
  /** The same of each tree of quotas. */
  readonly #underRoot = new Map<string, Reservation[]>()
  /** For each cell those who could not start there if all who run had ended, until its nodes change. */
  readonly #never: WeakSet<Way>[]
  /** Those who leave, of each tree of quotas. */
  readonly #leaving = new Map<string, Leaving>()
  #made = 0
  /** The quotas of each tree. */
  readonly #trees: Map<string, QuotaNode[]>

  constructor(given: Options) {
    this.#given = given
    this.#never = given.cells.map(() => new WeakSet())
    this.#trees = Map.groupBy(given.quotas, ({ name }) => given.rootOf(name))
  }

  all(): readonly Reservation[] {
    return this.#all
  }

  /** Whether anything comes of it if a start is to be promised to somebody who sleeps. */
  canMake(owner: Signature): boolean {
    if (!mayBePromised(owner)) return false
    const { fences } = this.#given
    let open = 0
    for (const way of owner.ways) {
      if (fences.of(way.cell)) continue
      if (!this.#never[way.cell]?.has(way)) return true
      open++
    }
    return open > 0 && open === owner.ways.length
  }

  /** Promises a start in the cell without a promise where it comes first, in one of these ways. */
  make(owner: Signature, ways: readonly Way[], now: number): void {
    const head = headOf(owner)
    // Who has quota now and lacks room must not keep it from those who have the room.
    if (owner.reservation?.nodes.length === 0 && owner.asleep?.room) this.drop(owner)
    const open = ways.filter(({ cell }) => !this.#given.fences.of(cell))
    if (owner.reservation || owner.hopeless || !head || open.length === 0) return
    let start = this.#earliest(owner, { ways: open, now, lastsMs: head.lastsMs })
    // Who lacks nothing but quota, and for nobody knows how long, keeps the quota alone, and no nodes from others.
    if (start?.at === Infinity && owner.asleep?.room === false)
      start = this.#given.mayKeep(owner, start.way, now) ? { ...start, nodes: [] } : null
    if (start) this.#promise(owner, head, { start, claims: this.#claimsOn(owner), now })
    else owner.hopeless = open.length === ways.length && open.every((way) => this.#never[way.cell]?.has(way))
  }

  /** When the first of a row starts if nobody leaves for it and all end when they are known to; Infinity: nobody knows. */
  comesAt(owner: Signature, ways: readonly Way[], now: number): number {
    const head = headOf(owner)
    if (owner.reservation || !head) return owner.reservation?.at ?? Infinity
    return this.#earliest(owner, { ways, now, lastsMs: head.lastsMs })?.at ?? Infinity
  }

  /** Who else is promised a start under the quotas of the owner, where any of them is limited. */
  #claimsOn(owner: Signature): Held[] {
    return this.#given.quota.isLimited(owner.want.project) ? this.claims(owner) : []
  }

  #earliest(owner: Signature, { ways, now, lastsMs }: Asked): Start | null {
    const possible = ways.filter((way) => !this.#never[way.cell]?.has(way))
    if (possible.length === 0) return null
    const { quota } = this.#given
    const claims = this.#claimsOn(owner)
    for (const { request, way } of claims) quota.add(request.want.project, way.amounts)
    const ends = now + lastsMs
    const trials = possible.map((way, index) => {
      const holders = this.#holders(owner, way.cell, now)
      holders.push(...claims)
      holders.sort((a, b) => (a.ends === b.ends ? 0 : a.ends - b.ends))
      const lacking = this.#given.fences.nodesLacking(way, owner, ends)
      return { way, index, holders, soonest: notBefore(way.cell, { holders, lacking, now }) }
    })
    trials.sort((a, b) => (a.soonest === b.soonest ? a.index - b.index : a.soonest - b.soonest))
    let best: { start: Start; index: number } | null = null
    for (const { way, index, holders, soonest } of trials) {
      // From here on none starts earlier, and of those that start together the first way is taken.
      if (best && (soonest > best.start.at || (soonest === best.start.at && index > best.index))) break
      const ask = this.rehearse(owner, way, ends)
      const start = earliest({ owner, ask, way, holders, quota, now, soonest })
      if (start && (!best || start.at < best.start.at || (start.at === best.start.at && index < best.index)))
        best = { start, index }
      // All have left the copy: this will not change before nodes do, unless some are kept for others.
      if (!start && this.#given.fences.on(way.cell).length === 0) this.#never[way.cell]?.add(way)
    }
    for (const { request, way } of claims) quota.remove(request.want.project, way.amounts)
    return best?.start ?? null
  }

  #promise(owner: Signature, request: Request, { start, claims, now }: Found): void {
    this.#add({ ...this.#kept(owner, request, start), victims: null }, [...this.#holders(owner, -1, now), ...claims])
  }

  /** Keeps nodes and quota for one for whom others have to leave. */
  claim(owner: Signature, request: Request, eviction: { way: Way; nodes: number[]; victims: readonly Held[] }): void {
    const { way, nodes, victims } = eviction
    this.drop(owner)
    const stay = this.#holders(owner, -1, -Infinity).filter(({ leaves }) => !leaves)
    const kept = this.#kept(owner, request, { at: Infinity, way, nodes })
    // Who is promised a later start may not start before it instead, where there is no quota for both.
    const soon = this.claims(owner, true)
    // … and to others their start is promised beside this one.
    this.count({ request, way, gang: -1, since: 0, ends: Infinity, leaves: false })
    this.#add({ ...kept, victims: new Set(victims.map((held) => held.request.id)) }, [...stay, ...soon])
  }

  /**
   * Keeps again what others leave for somebody, or have left: `gone` names their work. The nodes that these leave, or else
   * any that are free once all have left who are told to: it waits for those of them whose nodes or quota it needs. False
   * where it could not start then.
   */
  keep(owner: Signature, ways: readonly Way[], gone: ReadonlySet<string>): boolean {
    const head = headOf(owner)
    if (!head || owner.reservation) return false
    for (const way of ways) {
      const leaving = this.#holders(owner, way.cell, -Infinity).filter(({ leaves }) => leaves)
      const [own, others]: [Held[], Held[]] = [[], []]
      for (const held of leaving) (gone.has(workOf(held.request)) ? own : others).push(held)
      if (this.withoutLeaving(owner, () => this.quotaMissing(owner, way, Infinity)) !== null) continue
      const ask = this.rehearse(owner, way, Infinity)
      let gang = refusals.full as number
      for (const some of [own, others]) {
        if (gang >= 0) break
        for (const held of some) if (held.way.cell === way.cell) release(ask.cell, held.gang)
        gang = take(ask.cell, ask)
      }
      if (gang < 0) continue
      const nodes = allNodesOf(ask.cell, gang, way)
      const kept = new Set(nodes)
      const isOnThem = (held: Held): boolean =>
        held.way.cell === way.cell && allNodesOf(way.site, held.gang, held.way).some((node) => kept.has(node))
      const near = [...own, ...others.filter(isOnThem)]
      const victims = this.#hasQuotaWithout(near, owner, way) ? near : leaving
      this.claim(owner, head, { way, nodes, victims })
      return true
    }
    return false
  }

  #hasQuotaWithout(some: readonly Held[], owner: Signature, way: Way): boolean {
    for (const held of some) this.leave(held)
    const isMissing = this.quotaMissing(owner, way, Infinity) !== null
    for (const held of some) this.stay(held)
    return !isMissing
  }

  #kept(owner: Signature, request: Request, start: Start) {
    const root = this.#given.rootOf(owner.want.project)
    const quota = createQuotaTree(this.#trees.get(root) ?? [])
    quota.add(owner.want.project, start.way.amounts)
    return {
      ...start,
      owner,
      request,
      root,
      quota,
      counted: new Map<string, Amounts>(),
      leaving: new Leaving(),
      shut: [],
      turned: { form: null, at: 0, nodes: 0 },
      number: this.#made++,
    }
  }

  #add(reservation: Reservation, counted: readonly Held[]): void {
    for (const one of counted) this.#countIn(reservation, one)
    this.#all.push(reservation)
    const same = this.#underRoot.get(reservation.root) ?? []
    this.#underRoot.set(reservation.root, same)
    same.push(reservation)
    this.#given.fences.add(reservation)
    reservation.owner.reservation = reservation
  }

  /** A copy of a cell to try on what somebody wants, where all is closed that is kept from it, also what is not free yet. */
  rehearse(asker: Signature, way: Way, ends: number): Ask {
    const { fences, rehearsals } = this.#given
    const scratch = rehearsals[way.cell]?.begin()
    if (!scratch) throw new RangeError(`there is no cell ${way.cell}`)
    for (const one of fences.on(way.cell)) if (isOpen(one, asker, ends)) reopen(scratch, one.shut)
    for (const one of fences.on(way.cell)) if (!isOpen(one, asker, ends)) close(scratch, one.nodes)
    return this.askOnCopy(way)
  }

  /** The same for somebody else, on the copy that was made last. */
  askOnCopy(way: Way): Ask {
    const rehearsal = this.#given.rehearsals[way.cell]
    if (!rehearsal) throw new RangeError(`there is no cell ${way.cell}`)
    return rehearsal.ask(way)
  }

  /** Those who run in a cell or under the owner's quotas; of those who ran over their time nobody knows the end. */
  #holders({ want: { project } }: Signature, number: number, now: number): Held[] {
    const { holders, quota, rootOf } = this.#given
    const found = holders.of(number, quota.isLimited(project) ? rootOf(project) : null)
    for (let i = 0; i < found.length; i++) {
      const one = found[i]
      if (one && one.ends < now) found[i] = { ...one, ends: Infinity }
    }
    return found
  }

  /** Who is promised a start under the same quotas, as if it ran already. */
  claims(owner: Signature, onlySoon = false): Held[] {
    return this.#under(owner.want.project)
      .filter(({ victims }) => !onlySoon || victims)
      .map(({ request, at, way }) => ({ request, way, gang: -1, since: at, ends: at + request.lastsMs, leaves: false }))
  }

  drop(owner: Signature): void {
    const { reservation } = owner
    if (!reservation) return
    owner.reservation = null
    this.#given.fences.remove(reservation)
    this.#all.splice(this.#all.indexOf(reservation), 1)
    const same = this.#under(owner.want.project)
    same.splice(same.indexOf(reservation), 1)
    this.uncount(reservation.request)
    this.#given.lost(reservation.way.cell, owner.want.project)
  }

  /** What of quotas stands in the way now, or when those start to whom it is promised. */
  quotaMissing(asker: Signature, { amounts }: Way, ends: number): Refusal | null {
    const { project } = asker.want
    if (!this.#given.quota.isLimited(project)) return null
    const shortage = this.#given.quota.shortage(project, amounts)
    if (shortage) return { cause: 'quota', ...shortage }
    const before = this.#under(project).find((one) => {
      if (isOpen(one, asker, ends)) return false
      const counted = asker.reservation && one.counted.get(asker.reservation.request.id)
      if (!counted) return one.quota.shortage(project, amounts) !== null
      // As long as not all have left for it, it may take no more than if they stayed.
      if (counted === amounts && !asker.reservation?.victims?.size) return false
      one.quota.remove(project, counted)
      const isMissing = one.quota.shortage(project, amounts) !== null
      one.quota.add(project, counted)
      return isMissing
    })
    return before ? { cause: 'reserved', until: before.at, for: before.request.id } : null
  }

  /** Somebody who runs was told to leave, … */
  leaves(held: Held): void {
    const root = this.#given.rootOf(held.request.want.project)
    const same = this.#leaving.get(root) ?? new Leaving()
    this.#leaving.set(root, same)
    same.add(held)
    for (const { counted, leaving } of this.#underRoot.get(root) ?? [])
      if (counted.has(held.request.id)) leaving.add(held)
  }

  /** Looks at the quotas of somebody as they are when all have left who are told to. */
  withoutLeaving<T>({ want: { project } }: Pick<Signature, 'want'>, look: () => T): T {
    const all = this.#leaving.get(this.#given.rootOf(project))
    const { quota } = this.#given
    all?.each((one, amounts) => quota.remove(one, amounts))
    for (const one of this.#under(project)) one.leaving.each((name, amounts) => one.quota.remove(name, amounts))
    const seen = look()
    all?.each((one, amounts) => quota.add(one, amounts))
    for (const one of this.#under(project)) one.leaving.each((name, amounts) => one.quota.add(name, amounts))
    return seen
  }

  /** Counts somebody who runs out of all quotas, as if it had ended, … */
  leave(held: Held): void {
    this.#countAgain(held, 'remove')
  }

  /** … or in again. */
  stay(held: Held): void {
    this.#countAgain(held, 'add')
  }

  #countAgain({ request: { id, want }, way: { amounts } }: Held, change: 'add' | 'remove'): void {
    this.#given.quota[change](want.project, amounts)
    for (const { counted, quota } of this.#under(want.project))
      if (counted.has(id)) quota[change](want.project, amounts)
  }

  /** Promises under the same quotas. */
  #under(project: string): Reservation[] {
    return this.#underRoot.get(this.#given.rootOf(project)) ?? []
  }

  /** … and has left. */
  left({ id, want }: Request): void {
    this.#leaving.get(this.#given.rootOf(want.project))?.remove(id)
    for (const { victims } of this.all()) victims?.delete(id)
  }

  /** Counts somebody who starts where it still runs when others are to start. */
  count(held: Held): void {
    for (const reservation of this.all()) this.#countIn(reservation, held)
  }

  #countIn(reservation: Reservation, held: Held): void {
    const { request, way, ends } = held
    const { amounts } = way
    const { counted, quota, root } = reservation
    const { project } = request.want
    if (!quota.isLimited(reservation.owner.want.project)) return
    if (passes(reservation, ends) || counted.has(request.id) || this.#given.rootOf(project) !== root) return
    counted.set(request.id, amounts)
    quota.add(project, amounts)
    if (held.leaves) reservation.leaving.add(held)
  }

  uncount({ id, want }: Request): void {
    for (const { counted, quota, leaving } of this.#under(want.project)) {
      const amounts = counted.get(id)
      if (!amounts) continue
      leaving.remove(id)
      counted.delete(id)
      quota.remove(want.project, amounts)
    }
  }

  /** Drops promises of nodes that may not be used any more. */
  recheck(number: number): void {
    const cell = this.#given.cells[number]
    this.#never[number] = new WeakSet()
    for (const { nodes, owner } of this.#given.fences.on(number).slice())
      if (nodes.some((node) => cell?.usable[node] === 0)) this.drop(owner)
  }

  /** Drops promises of nodes that somebody has who was not asked for here. */
  lose(number: number, taken: readonly number[]): void {
    for (const { nodes, owner } of this.#given.fences.on(number).slice())
      if (nodes.some((node) => taken.includes(node))) this.drop(owner)
  }

  /** Drops promises that were not kept because somebody ran longer than was known. */
  expire(now: number): void {
    if (this.#all.length === 0) return
    for (const { at, owner } of this.#all.slice()) if (at < now) this.drop(owner)
  }
}

type Asked = { ways: readonly Way[]; now: number; lastsMs: number }
type Found = { start: Start; claims: Held[]; now: number }
