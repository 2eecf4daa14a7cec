import { createHeap, type Heap } from '#kit/heap.ts'
import type { Demand, Floor } from '#simulator/replay/floor.ts'
import type { Act, MakeScheduler, Scheduler } from '#simulator/replay/scheduler.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import type { Unit } from '#simulator/traces/job.ts'

import type { QueuePolicy } from './queue-policy.ts'
import { createVictims, type Keyed } from './victims.ts'

/** Those that wait for the same: when the first of them finds no room, none does. */
type Line = { demand: Demand; project: number; waiting: Heap<Keyed>; asleep: boolean }

/** Who goes first: by priority, then by the policy, then by arrival. */
export const before = (a: Keyed, b: Keyed): boolean =>
  a.record.job.priority !== b.record.job.priority
    ? a.record.job.priority > b.record.job.priority
    : a.key !== b.key
      ? a.key < b.key
      : a.record.index < b.record.index

/** Makes a scheduler of an order: whoever is first and fits starts, on the first nodes that fit, cheapest group first. */
export const queueScheduler =
  (policy: QueuePolicy): MakeScheduler =>
  (floor) =>
    new QueueScheduler(policy, floor)

class QueueScheduler implements Scheduler {
  readonly name: string
  readonly #policy: QueuePolicy
  readonly #floor: Floor
  readonly #lines: Line[] = []
  readonly #lineOf = new Map<Demand, (Line | undefined)[]>()
  readonly #running = new Set<JobRecord>()
  /** Of each project, by unit, and what there is of each. */
  readonly #used: Record<Unit, number[]> = { gpu: [], cpu: [] }
  /** Dominant shares of projects (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011). */
  readonly #shares: number[] = []
  readonly #total: Record<Unit, number> = { gpu: 0, cpu: 0 }
  #gains = -1
  #stepsAtMs = Number.POSITIVE_INFINITY
  #last: Keyed | undefined
  #waiting = 0

  constructor(policy: QueuePolicy, floor: Floor) {
    this.name = policy.name
    this.#policy = policy
    this.#floor = floor
    for (const { unit, size, count } of floor.fleet.groups) this.#total[unit] += size * count
  }

  waits(record: JobRecord, now: number): void {
    const line = this.#line(record)
    if (line.waiting.size === 0) line.asleep = false // nobody of it has looked since
    line.waiting.push({ record, key: this.#policy.key(record, now) })
    this.#waiting++
    // Whoever is now first of its line may stop others, and whoever is first of all is let in first or blocks the rest.
    if (this.#policy.strict) this.#wake()
    else if (this.#policy.preempts && line.waiting.peek()?.record === record) line.asleep = false
  }

  left(record: JobRecord): void {
    this.#running.delete(record)
    this.#use(record, -1)
  }

  decide(now: number, act: Act): number | undefined {
    if (this.#gains !== this.#floor.gains || now >= this.#stepsAtMs) this.#wake()
    this.#last = undefined // who runs has come nearer to its end
    for (let line = this.#first(); line; line = this.#first()) {
      const head = line.waiting.peek()
      if (!head) break
      const spots = this.#floor.fit(line.demand) ?? (this.#policy.preempts && this.#makeRoom(head, now, act))
      if (spots) {
        line.waiting.pop()
        this.#start(head.record, spots, act)
      } else if (this.#policy.strict) for (const each of this.#lines) each.asleep = true
      else line.asleep = true
    }
    this.#gains = this.#floor.gains
    this.#stepsAtMs = this.#nextStep(now)
    return this.#stepsAtMs === Number.POSITIVE_INFINITY ? undefined : this.#stepsAtMs
  }

  #line({ demand, project }: JobRecord): Line {
    const lines = this.#lineOf.get(demand) ?? []
    this.#lineOf.set(demand, lines)
    const at = this.#policy.byProject ? project : 0
    const known = lines[at]
    if (known) return known
    const line = { demand, project: at, waiting: createHeap(before), asleep: false }
    lines[at] = line
    this.#lines.push(line)
    return line
  }

  /** The line whose head goes first, of those that are not known to find no room. */
  #first(): Line | undefined {
    let best: Line | undefined
    let first: Keyed | undefined
    for (const line of this.#lines) {
      const head = line.asleep ? undefined : line.waiting.peek()
      if (head && (!first || !best || this.#goesBefore({ line, head }, { line: best, head: first })))
        [best, first] = [line, head]
    }
    return best
  }

  #goesBefore(a: { line: Line; head: Keyed }, b: { line: Line; head: Keyed }): boolean {
    if (!this.#policy.byProject || a.head.record.job.priority !== b.head.record.job.priority)
      return before(a.head, b.head)
    const shareA = this.#shares[a.line.project] ?? 0
    const shareB = this.#shares[b.line.project] ?? 0
    return shareA !== shareB ? shareA < shareB : before(a.head, b.head)
  }

  #use({ project, demand }: JobRecord, change: 1 | -1): void {
    const used = this.#used[demand.unit]
    used[project] = (used[project] ?? 0) + change * demand.amount
    const part = (unit: Unit) => (this.#total[unit] > 0 ? (this.#used[unit][project] ?? 0) / this.#total[unit] : 0)
    this.#shares[project] = Math.max(part('gpu'), part('cpu'))
  }

  #start(record: JobRecord, spots: readonly number[], act: Act): void {
    act.start(record, spots)
    this.#last = undefined
    this.#running.add(record)
    this.#use(record, 1)
    this.#waiting--
  }

  /** Stops who goes after the head of a line, the last first, if that is enough for it. */
  #makeRoom(head: Keyed, now: number, act: Act): readonly number[] | undefined {
    this.#last ??= this.#lastRunning(now)
    if (!this.#last || !before(head, this.#last)) return undefined
    const later: Keyed[] = []
    for (const record of this.#running) {
      const keyed = { record, key: this.#policy.key(record, now) }
      if (before(head, keyed)) later.push(keyed)
    }
    const victims = createVictims(this.#floor, head.record.demand).choose(later)
    this.#last = undefined
    for (const record of victims) {
      act.preempt(record)
      this.left(record)
      this.waits(record, now)
    }
    if (victims.length > 0) this.#wake() // they may leave more room than was needed
    return victims.length > 0 ? this.#floor.fit(head.record.demand) : undefined
  }

  /** Who runs and goes after all others who run: whom it does not go before, nobody needs to stop anyone for. */
  #lastRunning(now: number): Keyed | undefined {
    let last: Keyed | undefined
    for (const record of this.#running) {
      const key = this.#policy.key(record, now)
      if (!last || before(last, { record, key })) last = { record, key }
    }
    return last
  }

  /** Wakes all lines but those that need not look: what they ask for is not there, and they may stop nobody for it. */
  #wake(): void {
    const looks = this.#policy.strict || this.#policy.preempts
    for (const line of this.#lines) if (line.waiting.size > 0) line.asleep = !looks && !this.#floor.mayFit(line.demand)
  }

  /** When someone who runs falls behind by a step; it matters only while others wait. */
  #nextStep(now: number): number {
    const { nextStepMs } = this.#policy
    let next = Number.POSITIVE_INFINITY
    if (nextStepMs && this.#waiting > 0)
      for (const record of this.#running) next = Math.min(next, nextStepMs(record, now))
    return next
  }
}
