import { nodesOf } from '#engine/cell/heads.ts'
import { replace } from '#engine/cell/replace.ts'
import { adopt, release } from '#engine/cell/take.ts'

import { Ledger } from '#engine/preemption/ledger.ts'
import { Preemptor } from '#engine/preemption/preemptor.ts'
import { Askers, quietAtMost } from './askers.ts'
import { Elders } from './elders.ts'
import { Fences } from './fences.ts'
import { Holders } from './holders.ts'
import { Overtaken } from './overtaken.ts'
import { Patience } from './patience.ts'
import { Promises } from './promises.ts'
import { createQuotaTree, negative } from './quota.ts'
import { Ready } from './ready.ts'
import { Rehearsal } from './rehearsal.ts'
import { endsOf, headOf, workOf } from './request.ts'
import { Rows } from './rows.ts'
import { Sleepers } from './sleepers.ts'
import { Trial, type Refused } from './trial.ts'

import type { QuotaTree } from './quota.ts'
import type { LineOptions } from './line-options.ts'
import type { Decision, Held, Preempts, Request, Reservation, Running, Signature, Waiting, Way } from './request.ts'

/**
 * The queue over all cells. It is told of what comes, ends and changes, and decides in turns. It keeps the account of
 * quotas and shares, and takes and releases what is on its cells: whoever is there was started or adopted by it.
 */
export class Line {
  /** How many were asked ever, and how many of them in vain. */
  asked = 0
  vain = 0
  readonly #elders: Elders
  readonly #quota: QuotaTree
  readonly #given: LineOptions
  readonly #rows: Rows
  #waiting = new Map<string, Waiting>()
  readonly #held: Holders
  readonly #sleepers: Sleepers
  readonly #promises: Promises
  readonly #fences: Fences
  readonly #trial: Trial
  readonly #overtaken: Overtaken
  readonly #ledger: Ledger
  readonly #preemptor: Preemptor | null
  readonly #patience: Patience
  #submitted = 0

  constructor(options: LineOptions) {
    const { cells, quotas, shares, overdueMs } = options
    this.#given = options
    this.#rows = new Rows(cells)
    this.#elders = new Elders(cells.length, overdueMs)
    this.#quota = createQuotaTree(quotas)
    const { preemption: terms, losesOf, movesPerHour = 0, mayMove, ledger = new Ledger() } = options
    const given = { quotas, quota: this.#quota, shares, ledger, losesOf, movesPerHour, mayMove, cells: cells.length }
    this.#ledger = ledger
    this.#patience = new Patience(options.patienceMs ?? 0)
    this.#preemptor = terms || movesPerHour > 0 ? new Preemptor({ ...given, terms: terms ?? new Map() }) : null
    const askers = this.#preemptor && new Askers(this.#preemptor, (one) => this.#promises.claims(one, true))
    this.#sleepers = new Sleepers(cells.length, quotas, askers)
    const rootOf = (project: string): string => this.#sleepers.rootOf(project)
    this.#held = new Holders(cells.length, rootOf)
    this.#fences = new Fences(cells)
    this.#promises = new Promises({
      cells,
      fences: this.#fences,
      quotas,
      quota: this.#quota,
      rehearsals: cells.map((cell) => new Rehearsal(cell)),
      holders: this.#held,
      rootOf,
      // Others would only take it back, and less urgent work of its own project leaves when it can start.
      mayKeep: (owner, way, now) => !this.#mayLose(owner, way) || this.#elders.is(owner, now),
      lost: (cell, project) => {
        this.#sleepers.stir(cell, project)
        this.#overtaken.forget()
      },
    })
    this.#trial = new Trial({ fences: this.#fences, promises: this.#promises, saysRoom: options.saysRoom })
    this.#overtaken = new Overtaken({
      fences: this.#fences,
      sleepers: this.#sleepers,
      promises: this.#promises,
      order: (now, isIn) => this.#order(now, isIn),
      chosen: (signature, now) => this.#chosen(signature, now),
    })
  }

  submit(request: Request): void {
    const { want } = request
    const signature = this.#rows.open(want)
    const before = headOf(signature)
    const { id, since, waitsSince, lastsMs, work } = request
    const one = { id, want, since, waitsSince, lastsMs, work, order: this.#submitted++, gone: false }
    this.#waiting.set(request.id, one)
    signature.row.push(one)
    // Who is now first may end earlier, and pass where the one before could not.
    if (headOf(signature) !== before) this.#sleepers.add(signature, null)
  }

  /** Takes over somebody who runs already. Nothing is refused: more may be held than there are nodes or quota. */
  adopt(request: Request, { option, ends, since, leaves = false, ...standing }: Running, now: number): void {
    const way = this.#rows.ways(request.want)[option]
    if (!way) throw new RangeError(`${request.id} has no option ${option}`)
    this.#fences.setAll(way.cell, true)
    this.#promises.lose(way.cell, [...standing.ranks, ...standing.spares])
    const gang = adopt(way.site, way.ask, standing)
    this.#hold({ request, way, gang, since: since ?? now, ends, leaves }, now)
  }

  /** Who waits does not wait any more. */
  withdraw(id: string): void {
    const one = this.#waiting.get(id)
    const signature = one && this.#rows.get(one.want.key)
    if (!signature) return
    const wasFirst = headOf(signature) === one
    one.gone = true
    this.#waiting.delete(id)
    this.#ledger.forget(workOf(one))
    this.#sleepers.mayLeave(null, one.want.project)
    if (!wasFirst) return
    this.#promises.drop(signature)
    if (headOf(signature)) this.#sleepers.add(signature, null)
    else this.#close(signature)
  }

  /** Who was started here may be made to leave from now on. */
  settled(id: string): void {
    const held = this.#held.get(id)
    if (!held) return
    this.#preemptor?.ended(held)
    this.#preemptor?.runs(held)
    this.#sleepers.mayLeave(held.way.cell, held.request.want.project)
  }

  /** Who ran has left its nodes, by whatever cause. */
  ended(id: string, now: number): void {
    const one = this.#held.get(id)
    if (!one) return
    const { request, way, gang } = one
    const { cell, site, amounts } = way
    const { project } = request.want
    // It may have kept nodes from others that are promised to them.
    if (way.gang.exclusive !== undefined) this.#fences.setAll(cell, true)
    release(site, gang)
    this.#held.remove(one)
    this.#preemptor?.ended(one)
    this.#quota.remove(project, amounts)
    this.#given.shares.change(project, negative(amounts), now)
    this.#promises.uncount(request)
    if (one.leaves) this.#promises.left(request)
    else this.#ledger.forget(workOf(request))
    this.#sleepers.stir(cell, project)
  }

  /**
   * Takes what somebody runs on one node to another one under the rules of its gang, where nothing is promised to others:
   * its spare ones first, then the tightest domain around. The other node, or null.
   */
  repair(id: string, node: number): number | null {
    const held = this.#held.get(id)
    if (!held) return null
    const { cell, site } = held.way
    this.#fences.setAll(cell, false)
    const other = replace(site, held.gang, node)
    if (other >= 0) this.#sleepers.stir(cell, null)
    return other >= 0 ? other : null
  }

  /** Nodes of a cell may be used again, or not any more. */
  changed(cell: number): void {
    this.#promises.recheck(cell)
    for (const signature of this.#sleepers.on(cell)) this.#hope(signature)
    this.#sleepers.stir(cell, null)
  }

  /** Other options than before may be tried for somebody who waits. */
  reconsider(id: string): void {
    const one = this.#waiting.get(id)
    const signature = one && this.#rows.get(one.want.key)
    if (!signature) return
    this.#hope(signature)
    this.#sleepers.add(signature, null)
  }

  #hope(signature: Signature): void {
    if (!signature.hopeless) return
    signature.hopeless = false
    signature.aged = null
    this.#elders.add(signature)
  }

  /** Asks in order, until nobody is left to be asked or so many are placed. Who is refused hears of it once a change. */
  turn(now: number, most = Infinity): Decision[] {
    const decisions: Decision[] = []
    this.#overtaken.forget()
    this.#promises.expire(now)
    this.#wake(now)
    this.#sleepers.wakeAskers(now)
    for (const signature of this.#patience.over(now)) this.#sleepers.add(signature, null)
    if (this.#sleepers.awake.size === 0) return decisions
    const ready = this.#order(now, ({ asleep }) => asleep === null)
    this.#elders.addOverdue(this.#sleepers.awake, now)
    for (const signature of this.#sleepers.awake) ready.add(signature)
    this.#sleepers.whenAwake((signature) => ready.add(signature))
    for (let [placed, quiet] = [0, 0]; placed < most;) {
      this.#wake(now)
      const next = ready.next()
      const head = next && headOf(next)
      if (!head && quiet++ < quietAtMost && this.#sleepers.wakeAskers(now)) continue
      if (!head) break
      const wasElder = this.#elders.is(next, now)
      this.#overtaken.promise(next, ready, now)
      this.asked++
      const outcome = this.#trial.ask(next, this.#chosen(next, now), now)
      const preempts = 'refusal' in outcome ? this.#preempt(next, head, now) : null
      if ('refusal' in outcome) {
        decisions.push({ id: head.id, refused: preempts ?? outcome.refusal })
        this.#refuse(next, outcome, now)
      } else {
        decisions.push(this.#start(next, outcome, now))
        ready.add(next)
      }
      if (preempts || !('refusal' in outcome)) [placed, quiet] = [placed + 1, 0]
      if (wasElder) this.#nextElders(next, ready, now)
      const last = decisions.at(-1)
      if (last && this.#given.decided?.(last) === false) break
    }
    this.#sleepers.whenAwake(null)
    for (const signature of this.#sleepers.awake) this.#elders.add(signature)
    return decisions
  }

  /** When somebody who waits may have others leave that may not now, though nothing happens until then; or Infinity. */
  looksAgainAt(): number {
    if (!this.#preemptor || this.#waiting.size === 0) return Infinity
    return Math.min(this.#patience.nextEnd(), this.#preemptor.nextMayLeave())
  }

  /**
   * Promises a start in a cell to the first of the row of `id` before anybody is asked, as it had been promised before; of
   * what those have who had to leave for it, as far as they are still there. Where its time is not known any more, nothing.
   */
  promise(id: string, cell: number, { now, left = null }: { now: number; left?: ReadonlySet<string> | null }): void {
    const one = this.#waiting.get(id)
    const signature = one && this.#rows.get(one.want.key)
    if (!signature) return
    const ways = this.#chosen(signature, now).filter((way) => way.cell === cell)
    if (left && this.#promises.keep(signature, ways, left)) return
    this.#promises.make(signature, ways, now)
    if (signature.reservation?.at === Infinity) this.#promises.drop(signature)
    // There are other cells.
    if (!signature.reservation) signature.hopeless = false
  }

  /** What nobody was told of is promised anew in the next turn, in the order that holds then. */
  forgetPromises(isTold: (id: string) => boolean): void {
    for (const { victims, owner, request } of this.reservations().slice())
      if (!victims && !isTold(request.id)) this.#promises.drop(owner)
  }

  /** Who was promised which nodes, and when. */
  reservations(): readonly Reservation[] {
    return [...this.#promises.all()]
  }

  promisedIn(cell: number): Reservation | null {
    return this.#fences.of(cell)
  }

  #order(now: number, isIn: (signature: Signature) => boolean): Ready {
    const borrows = (one: Signature): boolean => this.#mayLose(one, one.ways[0])
    const rules = { now, shares: this.#given.shares, elders: this.#elders, isIn }
    return new Ready(this.#preemptor?.takesBack ? { ...rules, borrows } : rules)
  }

  /** Whether somebody would borrow what may be taken back. */
  #mayLose({ want }: Signature, way: Way | undefined): boolean {
    return this.#preemptor?.takesBack === true && !!way && this.#quota.wouldBorrow(want.project, way.amounts)
  }

  /** Whoever is now the oldest in a cell of one that was it has a better place than before. */
  #nextElders({ cells }: Signature, ready: Ready, now: number): void {
    for (const cell of cells) {
      const elder = this.#elders.of(cell, now)
      if (elder?.asleep === null) ready.add(elder)
      else if (elder) this.#overtaken.add(elder)
    }
  }

  /** Lets others leave for somebody who found no room or no quota, if it can start at once then. */
  #preempt(signature: Signature, head: Waiting, now: number): Preempts | null {
    if (!this.#preemptor || signature.reservation?.victims) return null
    // Nobody knows how long the others take to leave, so it passes nobody who is promised something.
    const ends = Infinity
    const ways = this.#chosen(signature, now)
    const found = this.#preemptor.find({
      request: head,
      ways,
      now,
      coming: this.#promises.claims(signature, true),
      begin: (way) => this.#promises.rehearse(signature, way, ends),
      again: (way) => this.#promises.askOnCopy(way),
      leave: (held) => this.#promises.leave(held),
      stay: (held) => this.#promises.stay(held),
      withoutLeaving: (look) => this.#promises.withoutLeaving(signature, look),
      hasQuota: (way) => !this.#promises.quotaMissing(signature, way, ends),
    })
    const comesAt = (): number => this.#promises.comesAt(signature, ways, now)
    if (!found || this.#patience.holds(signature, head, { now, comesAt })) return null
    const { way, nodes } = found
    const victims = found.victims.map(({ held }) => held)
    this.#sleepers.mayLeave(way.cell, head.want.project)
    for (const held of victims) {
      this.#sleepers.mayLeave(held.way.cell, held.request.want.project)
      this.#preemptor.note(head, held, { isMove: found.isMove, now })
      this.#promises.leaves(held)
    }
    this.#promises.claim(signature, head, { way, nodes, victims })
    const ids = victims.map(({ request }) => request.id)
    return { cause: found.isMove ? 'moves' : 'preempts', victims: ids, option: way.number, cell: way.cell, nodes }
  }

  /** The ways that the first of a row may be started in now, best first. */
  #chosen(signature: Signature, now: number): readonly Way[] {
    const head = headOf(signature)
    const { ways } = signature
    const { choose } = this.#given
    return choose && head ? choose(head, now).flatMap((number) => ways[number] ?? []) : ways
  }

  #refuse(signature: Signature, { refusal, lack }: Refused, now: number): void {
    this.vain++
    const { reservation } = signature
    // All have left, and still it cannot start: something else went wrong meanwhile.
    if (reservation?.victims?.size === 0) this.#promises.drop(signature)
    this.#sleepers.add(signature, reservation?.victims ? { quota: true, room: true } : lack)
    signature.hopeless ||= refusal.cause === 'too-large' || refusal.cause === 'barred'
    this.#promises.make(signature, this.#chosen(signature, now), now)
    this.#overtaken.add(signature)
    this.#elders.add(signature)
  }

  #start(signature: Signature, started: Held, now: number): Decision {
    const { request, way, gang } = started
    signature.row.pop()
    this.#waiting.delete(request.id)
    if (this.#waiting.size === 0) this.#waiting = new Map() // as in Rows
    this.#promises.drop(signature)
    this.#hold(started, now)
    if (!headOf(signature)) this.#close(signature)
    return { id: request.id, option: way.number, cell: way.cell, gang, ...nodesOf(way.site, gang) }
  }

  #hold(held: Held, now: number): void {
    const { request, way } = held
    const { project } = request.want
    this.#held.add(held)
    this.#preemptor?.runs(held)
    this.#sleepers.mayLeave(way.cell, project)
    this.#quota.add(project, way.amounts)
    this.#given.shares.change(project, way.amounts, now)
    this.#promises.count(held)
    if (held.leaves) this.#promises.leaves(held)
  }

  /** Wakes who may find now what it did not find before. */
  #wake(now: number): void {
    if (!this.#sleepers.areStirred) return
    this.#sleepers.wake({
      mayHaveQuota: (signature) =>
        signature.ways.some((way) => !this.#promises.quotaMissing(signature, way, endsOf(signature, now))),
      fenceFor: (signature, cell) => this.#fences.keyFor(cell, signature, endsOf(signature, now)),
      mayHaveRoom: (way, by) => this.#fences.hasRoom(way, by, endsOf(by, now)),
    })
  }

  #close(signature: Signature): void {
    this.#promises.drop(signature)
    this.#sleepers.remove(signature)
    this.#rows.close(signature)
  }
}
