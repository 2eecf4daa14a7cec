import type { Line } from '#engine/queue/line.ts'
import type { Decision as Taken } from '#engine/queue/request.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Decision } from '#model/plan.ts'

import type { Answers } from './answers.ts'
import type { Entry } from './entry.ts'
import type { Asked, More, Snapshot } from './facts.ts'
import { looksAgainAt } from './looks-again.ts'
import { isOverfull } from './market.ts'
import { gaveBack } from './prices.ts'
import { comesBefore, idOf, inQueueOrder, isUnread, needOfUnread } from './queue.ts'
import { uncount, type Round } from './round.ts'

export type News = {
  /** Leases that are gone; one that it never knew was gone before. */
  gone: readonly string[]
  /** Who waits since. Those that it knows already are passed over. */
  come: readonly Asked[]
  /** What was read of the needs that have run out. */
  more?: readonly More[]
}

/** Where one need has run out, others of whom fewer are left are read with it, so many needs at a time. */
const [fewLeft, mostNeeds] = [8, 128]

type Out = { need: string; last: Asked }

type Parts = { line: Line; round: Round; entry: Entry; answers: Answers; standing: Map<string, string[]> }

/**
 * A round of placement that stays open. What it was decided on is kept, with the line as it stands after it, so that it
 * goes on with what it is told of: that costs what has changed, and not what there is. All else than these news needs a
 * new round, and so does whoever would be promised or told something that only time has changed.
 */
export class Sitting {
  /** What was decided at its beginning. */
  readonly decisions: Decision[]
  readonly #snapshot: Snapshot
  readonly #parts: Parts
  readonly #leases: Map<string, LiveLease>
  readonly #waiting: Map<string, Asked>
  readonly #known: Set<string>
  /** Those who were told when they are to start. */
  readonly #promised = new Set<string>()
  /** Those of whom nothing is decided yet. */
  readonly #open = new Set<Asked>()
  #ranOut: Out[] = []
  #runsOut: Out[] = []
  #isSimple: boolean

  constructor(snapshot: Snapshot, parts: Parts, taken: readonly Taken[]) {
    const { round, entry } = parts
    const { waiting } = entry.queue
    this.#snapshot = snapshot
    this.#parts = parts
    this.#leases = new Map(round.leases.map((lease) => [lease.id, lease]))
    this.#waiting = new Map(waiting.map((asked) => [idOf(asked), asked]))
    this.#known = new Set(this.#waiting.keys())
    // Several leases that came as one have one name; and who comes back to nodes that were kept is no news of this kind.
    // Nor does one node that is given back help where more are held than there are by now.
    this.#isSimple =
      round.leases.every(({ times = 1, keptFor }) => times === 1 && !keptFor) && !round.market.grounds.some(isOverfull)
    this.#runOut(taken)
    this.decisions = this.#tell(waiting)
  }

  /** False once it knows too little to go on. */
  get isOpen(): boolean {
    return this.#isSimple && (this.#open.size === 0 || this.#ranOut.length > 0)
  }

  /**
   * The needs of which it has placed all that were read, though there are more, and the last of each that was read. With
   * them those that would run out next: of which fewer are left than were just placed, so that nobody waits for them to be
   * read once there is room, and few where others ran out, each of which would be read in a round of its own.
   */
  get ranOut(): readonly Out[] {
    return [...this.#ranOut, ...this.#runsOut]
  }

  /** The facts as they are for it now. */
  get facts(): Snapshot {
    return { ...this.#snapshot, leases: [...this.#leases.values()], waiting: [...this.#waiting.values()] }
  }

  /** When it is to be looked at again though nothing is heard of until then (`looks-again.ts`). */
  looksAgainAt(now: number): number {
    const { line, round } = this.#parts
    return looksAgainAt(this.#snapshot, { waiting: this.#waiting.values(), line, planned: round.planned.values(), now })
  }

  /** Under which lease somebody stands from now on whom it has placed. */
  stands({ workload, replica, placement }: Decision, lease: string): void {
    const { line, round, entry, standing } = this.#parts
    const id = `${workload} ${replica}`
    const asked = this.#waiting.get(id)
    if (!placement || !asked) throw new Error(`${id} was not placed in this round`)
    this.#waiting.delete(id)
    standing.set(lease, [id])
    const lastsMs = entry.queue.rowOf.get(id)?.need.lastsMs
    const held = leaseOf(asked, { ...placement, id: lease, lastsMs, now: round.now })
    this.#leases.set(lease, held)
    round.leases.push(held)
    round.started.set(id, held)
    line.settled(id)
    // Spare nodes count from the next round on.
    if (placement.beside?.spares) this.#isSimple = false
  }

  /**
   * Goes on with news: decides who starts now, and who is to leave for somebody. Of those who come it says in each case
   * what becomes of them; of the others who still wait nothing.
   */
  goOn({ gone, come, more = [] }: News, now: number): Decision[] {
    const { line, round, entry, answers } = this.#parts
    round.now = now
    for (const id of gone) this.#leave(id)
    if (gone.length > 0) round.leases = [...this.#leases.values()]
    const joined = inQueueOrder(come, now).filter((asked) => this.#join(asked))
    entry.submit(line, joined)
    for (const some of more) joined.push(...this.#read(some))
    this.#ranOut = this.#ranOut.filter(({ need }) => !more.some((some) => some.need === need))
    answers.goesOn()
    line.forgetPromises((id) => this.#promised.has(id))
    const told = new Map([...this.#open, ...joined].map((asked) => [idOf(asked), asked]))
    const decided = line.turn(now)
    for (const taken of decided) {
      const asked = this.#waiting.get(taken.id)
      if (asked && ('option' in taken || 'victims' in taken.refused)) told.set(taken.id, asked)
    }
    this.#runOut(decided)
    return this.#tell([...told.values()])
  }

  /** Nobody is placed for those who were not read: more of them are read first. */
  #runOut(decided: readonly Taken[]): void {
    const { line, entry, round } = this.#parts
    for (const taken of decided) {
      if (!isUnread(taken.id)) continue
      if ('refused' in taken) {
        // Others were chosen to leave for it.
        if ('victims' in taken.refused) this.#isSimple = false
        continue
      }
      line.ended(taken.id, round.now)
      const need = needOfUnread(taken.id)
      const last = entry.lastOf(need)
      if (last && isInLine(last)) this.#ranOut.push({ need, last })
      else this.#isSimple = false
    }
    this.#runsOut = this.#soonOut(decided)
  }

  #soonOut(decided: readonly Taken[]): Out[] {
    const { entry } = this.#parts
    const placed = new Map<string, number>()
    for (const taken of decided) {
      const need = 'option' in taken ? this.#waiting.get(taken.id)?.need : undefined
      if (need !== undefined && entry.lastOf(need)) placed.set(need, (placed.get(need) ?? 0) + 1)
    }
    if (this.#ranOut.length + placed.size === 0) return []
    const left = new Map([...placed].map(([need, count]) => [need, -count]))
    for (const asked of this.#waiting.values()) {
      const { need = '' } = asked
      const last = entry.lastOf(need)
      if (last && !comesBefore(last, asked)) left.set(need, (left.get(need) ?? 0) + 1)
    }
    const few = this.#ranOut.length > 0 ? fewLeft : 0
    const out = new Set(this.#ranOut.map(({ need }) => need))
    return entry
      .unread()
      .filter(({ need, last }) => !out.has(need) && isInLine(last))
      .filter(({ need }) => (left.get(need) ?? 0) < Math.max(few, placed.get(need) ?? 0))
      .slice(0, Math.max(0, mostNeeds - out.size))
  }

  #tell(asked: readonly Asked[]): Decision[] {
    const decisions = this.#parts.answers.of(asked)
    for (const one of asked) this.#open.add(one)
    for (const { workload, replica, refusal } of decisions) {
      const id = `${workload} ${replica}`
      this.#promised[refusal?.start ? 'add' : 'delete'](id)
      const told = this.#waiting.get(id)
      if (told) this.#open.delete(told)
    }
    return decisions
  }

  #leave(id: string): void {
    const { line, round, standing } = this.#parts
    const lease = this.#leases.get(id)
    if (!lease) return
    this.#leases.delete(id)
    uncount(round, lease)
    gaveBack(round.prices, lease)
    for (const name of standing.get(id) ?? []) {
      line.ended(name, round.now)
      round.started.delete(name)
    }
    standing.delete(id)
  }

  /** Those of them who are new to it. Some were known before, though not all who stand before them. */
  #read({ asked, ...more }: More): Asked[] {
    const { line, entry } = this.#parts
    const joined = asked.filter((one) => this.#join(one))
    entry.reads(line, { ...more, asked: asked.flatMap((one) => this.#waiting.get(idOf(one)) ?? []) })
    return joined
  }

  #join(asked: Asked): boolean {
    if (this.#known.has(idOf(asked))) return false
    this.#known.add(idOf(asked))
    this.#waiting.set(idOf(asked), asked)
    this.#parts.entry.add(asked)
    this.#parts.answers.joins(asked)
    return true
  }
}

/** Who avoids a site for a while stands in no line that could be read on. */
const isInLine = ({ replica }: Asked): boolean => Object.keys(replica.avoid).length === 0

type Standing = NonNullable<Decision['placement']> & { id: string; lastsMs: number | undefined; now: number }

function leaseOf({ workload }: Asked, { lastsMs = Infinity, now, ...placement }: Standing): LiveLease {
  const { id, provider, site, tier, shape, ranks, priceMicros, beside } = placement
  const { name, project, priority, kind, spec } = workload
  return {
    id,
    workload: workload.id,
    name,
    project,
    provider,
    site,
    tier,
    shape,
    ranks,
    priceMicros,
    beside: beside ?? null,
    priority,
    kind,
    since: now,
    graceMs: spec.checkpoint.graceMs,
    leaves: false,
    savesEveryMs: spec.checkpoint.everyMs ?? null,
    endsAt: Number.isFinite(lastsMs) ? now + lastsMs : null,
  }
}
