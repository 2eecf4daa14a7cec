import { askOf } from '#engine/cell/ask.ts'
import { nodesOf } from '#engine/cell/heads.ts'
import { refusals, release, take } from '#engine/cell/take.ts'
import { createHeap } from '#kit/heap.ts'

import { goesBefore, isOlder } from './order.ts'
import { Promises } from './promises.ts'
import { createQuotaTree } from './quota.ts'
import { createReady } from './ready.ts'
import { headOf } from './request.ts'
import { mayFit, roomFor } from './room.ts'
import { createSleepers } from './sleepers.ts'

import type { Cell } from '#engine/cell/cell.ts'
import type { Amounts, QuotaNode, QuotaTree } from './quota.ts'
import type { Decision, Held, Refusal, Request, Reservation, Signature, Waiting, Want } from './request.ts'
import type { Shares } from './share.ts'
import type { Sleepers } from './sleepers.ts'

export type LineOptions = {
  cells: readonly Cell[]
  /** Projects; each one that asks must be there. */
  quotas: readonly QuotaNode[]
  shares: Shares
  /** Whoever has waited so long goes before all others. */
  overdueMs: number
}

/**
 * The queue over all cells. It is told of what comes, ends and changes, and decides in turns. It keeps the account of
 * quotas and shares, and takes and releases what is on its cells: whoever is there was started by it.
 */
export class Line {
  /** How many were asked ever, and how many of them in vain. */
  asked = 0
  vain = 0
  readonly #cells: readonly Cell[]
  readonly #rules: { shares: Shares; overdueMs: number }
  readonly #quota: QuotaTree
  readonly #signatures = new Map<string, Signature>()
  readonly #waiting = new Map<string, Waiting>()
  readonly #held = new Map<string, Held>()
  readonly #sleepers: Sleepers
  readonly #promises: Promises
  #order = 0

  constructor({ cells, quotas, shares, overdueMs }: LineOptions) {
    this.#cells = cells
    this.#rules = { shares, overdueMs }
    this.#quota = createQuotaTree(quotas)
    this.#sleepers = createSleepers(cells.length, quotas)
    this.#promises = new Promises({
      cells,
      quotas,
      quota: this.#quota,
      held: this.#held,
      rootOf: this.#sleepers.rootOf,
      lost: this.#sleepers.stir,
    })
  }

  submit(request: Request): void {
    const { want } = request
    const signature = this.#signatures.get(want.key) ?? this.#open(want)
    const before = headOf(signature)
    const one = { ...request, order: this.#order++, gone: false }
    this.#waiting.set(request.id, one)
    signature.row.push(one)
    // Who is now first may end earlier, and pass where the one before could not.
    if (headOf(signature) !== before) this.#sleepers.add(signature, null)
  }

  /** Who waits does not wait any more. */
  withdraw(id: string): void {
    const one = this.#waiting.get(id)
    const signature = one && this.#signatures.get(one.want.key)
    if (!signature) return
    const wasFirst = headOf(signature) === one
    one.gone = true
    this.#waiting.delete(id)
    if (!wasFirst) return
    this.#promises.drop(signature)
    if (headOf(signature)) this.#sleepers.add(signature, null)
    else this.#close(signature)
  }

  /** Who ran has left its nodes, by whatever cause. */
  ended(id: string, now: number): void {
    const one = this.#held.get(id)
    const site = one && this.#cells[one.cell]
    if (!site) return
    const { request, cell, gang } = one
    const { project, amounts } = request.want
    this.#promises.openFence(cell)
    release(site, gang)
    this.#held.delete(id)
    this.#quota.remove(project, amounts)
    this.#rules.shares.change(project, negative(amounts), now)
    this.#promises.uncount(request)
    this.#sleepers.stir(cell, project)
  }

  /** Nodes of a cell may be used again, or not any more. */
  changed(cell: number): void {
    this.#promises.recheck(cell)
    for (const signature of this.#sleepers.on(cell)) signature.hopeless = false
    this.#sleepers.stir(cell, null)
  }

  /** Asks in order, until nobody is left to be asked or so many are placed. Who is refused hears of it once a change. */
  turn(now: number, most = Infinity): Decision[] {
    const decisions: Decision[] = []
    this.#promises.expire(now)
    const ready = createReady({ now, ...this.#rules })
    for (const signature of this.#sleepers.awake) ready.add(signature)
    this.#sleepers.whenAwake(ready.add)
    for (let placed = 0; placed < most;) {
      this.#wake(now)
      const next = ready.next()
      const head = next && headOf(next)
      if (!head) break
      this.#promiseBefore(next, now)
      this.asked++
      const outcome = this.#ask(next, head, now)
      if ('cause' in outcome) {
        decisions.push({ id: head.id, refused: outcome })
        this.#refuse(next, outcome, now)
      } else {
        decisions.push(this.#start(next, outcome, now))
        ready.add(next)
        placed++
      }
    }
    return decisions
  }

  /** Who was promised which nodes, and when. */
  reservations(): readonly Reservation[] {
    return this.#promises.all()
  }

  #first(among: Iterable<Signature>, now: number): Signature | null {
    const rules = { now, ...this.#rules }
    let best: Signature | null = null
    let first: Waiting | undefined
    for (const signature of among) {
      const head = headOf(signature)
      if (!head || (first && !goesBefore(head, first, rules))) continue
      best = signature
      first = head
    }
    return best
  }

  /** Promises a start to those who sleep and go before `next`, where nobody has a promise yet. */
  #promiseBefore(next: Signature, now: number): void {
    for (const cell of next.want.cells) {
      if (this.#promises.of(cell)) continue
      const sleeping = [...this.#sleepers.on(cell)].filter(({ reservation, hopeless }) => !reservation && !hopeless)
      const found = sleeping.length > 0 ? this.#first([...sleeping, next], now) : null
      if (found && found !== next) this.#promises.make(found, now)
    }
  }

  #ask(signature: Signature, head: Waiting, now: number): Held | Refusal {
    const { want, asks } = signature
    const ends = now + head.lastsMs
    const missing = this.#promises.quotaMissing(signature, ends)
    if (missing) return missing
    let isFull = false
    for (const [i, number] of want.cells.entries()) {
      const [cell, request] = [this.#cells[number], asks[i]]
      if (!cell || !request) continue
      this.#promises.setFence(number, signature, ends)
      const gang = take(cell, request)
      if (gang >= 0) return { request: head, cell: number, gang, ends }
      if (gang !== refusals.tooLarge) isFull = true
    }
    return isFull ? this.#noRoom(signature) : { cause: 'too-large' }
  }

  #noRoom({ want, asks }: Signature): Refusal {
    const rooms = want.cells.map((cell, i) => {
      const request = asks[i]
      const largest = request ? roomFor(request) : 0
      const fence = this.#promises.of(cell)
      return { cell, largest, needs: request?.units ?? 0, reservedFor: fence?.shut.length ? fence.request.id : null }
    })
    return { cause: 'room', ...rooms.reduce((a, b) => (b.largest > a.largest ? b : a)) }
  }

  #refuse(signature: Signature, { cause }: Refusal, now: number): void {
    this.vain++
    this.#sleepers.add(signature, cause)
    signature.hopeless ||= cause === 'too-large'
    this.#promises.make(signature, now)
  }

  #start(signature: Signature, started: Held, now: number): Decision {
    const { request, cell, gang } = started
    const { id, want } = request
    signature.row.pop()
    this.#waiting.delete(id)
    this.#promises.drop(signature)
    this.#held.set(id, started)
    this.#quota.add(want.project, want.amounts)
    this.#rules.shares.change(want.project, want.amounts, now)
    this.#promises.count(started)
    if (!headOf(signature)) this.#close(signature)
    const site = this.#cells[cell]
    return { id, cell, gang, ...(site ? nodesOf(site, gang) : { ranks: [], spares: [] }) }
  }

  /** Wakes who may find now what it did not find before. */
  #wake(now: number): void {
    this.#sleepers.wake({
      mayHaveQuota: (signature) => !this.#promises.quotaMissing(signature, endsOf(signature, now)),
      mayHaveRoom: (signature, cell, isOpen) => {
        const ends = endsOf(signature, now)
        const request = signature.asks[signature.want.cells.indexOf(cell)]
        if (!request || this.#promises.isOpenTo(cell, signature, ends) !== isOpen) return false
        this.#promises.setFence(cell, signature, ends)
        return mayFit(request)
      },
    })
  }

  #open(want: Want): Signature {
    const asks = want.cells.map((number, i) => {
      const [cell, gang] = [this.#cells[number], want.gangs[i]]
      if (!cell || !gang) throw new RangeError(`there is no cell ${number}, or nothing is wanted there`)
      return askOf(cell, gang)
    })
    const row = createHeap<Waiting>(isOlder)
    const signature: Signature = { want, asks, row, asleep: null, reservation: null, hopeless: false }
    this.#signatures.set(want.key, signature)
    return signature
  }

  #close(signature: Signature): void {
    this.#promises.drop(signature)
    this.#sleepers.remove(signature)
    this.#signatures.delete(signature.want.key)
  }
}

const endsOf = (signature: Signature, now: number): number => now + (headOf(signature)?.lastsMs ?? 0)

const negative = (amounts: Amounts): Amounts =>
  Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, -amount]))
