import { createHeap, type Heap } from '#kit/heap.ts'
import type { Demand, Floor } from '#simulator/replay/floor.ts'
import type { Act, MakeScheduler, Scheduler } from '#simulator/replay/scheduler.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import type { Unit } from '#simulator/traces/job.ts'

import type { QueuePolicy } from './queue-policy.ts'
import { weightsOf } from './terms.ts'
import { createVictims, type Keyed } from './victims.ts'

/** All that wait for the same: when the first of them finds no room, none does. */
type Kind = { demand: Demand; lines: (Line | undefined)[]; places: Heap<Place>; asleep: boolean }

/** Those of a project among them; all of them, where projects do not matter. */
type Line = { kind: Kind; project: number; waiting: Heap<Keyed>; place: Place | undefined }

/** Where a line stood when it was looked at last: what has become worse since is found out when it is first. */
type Place = { line: Line; head: Keyed; share: number }

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
  (floor, projects, terms) =>
    new QueueScheduler(policy, { floor, weights: weightsOf(projects, terms) })

class QueueScheduler implements Scheduler {
  readonly name: string
  readonly #policy: QueuePolicy
  readonly #floor: Floor
  readonly #kinds = new Map<Demand, Kind>()
  readonly #running = new Set<JobRecord>()
  /** Of each project, by unit, and what there is of each. */
  readonly #used: Record<Unit, number[]> = { gpu: [], cpu: [] }
  /** Of projects, by their numbers. */
  readonly #weights: readonly number[]
  /** Dominant shares of projects for their weight (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011). */
  readonly #shares: number[] = []
  readonly #total: Record<Unit, number> = { gpu: 0, cpu: 0 }
  #gains = -1
  #stepsAtMs = Number.POSITIVE_INFINITY
  #last: Keyed | undefined
  #waiting = 0

  constructor(policy: QueuePolicy, { floor, weights }: { floor: Floor; weights: readonly number[] }) {
    this.name = policy.name
    this.#policy = policy
    this.#floor = floor
    this.#weights = weights
    for (const { unit, size, count } of floor.fleet.groups) this.#total[unit] += size * count
  }

  waits(record: JobRecord, now: number): void {
    const line = this.#line(record)
    const head = { record, key: this.#policy.key(record, now) }
    line.waiting.push(head)
    this.#waiting++
    if (line.waiting.peek() !== head) return
    this.#stand(line)
    // Whoever is now first of its line may stop others, and whoever is first of all is let in first or blocks the rest.
    if (this.#policy.strict) this.#wake()
    else if (this.#policy.preempts || line.waiting.size === 1) line.kind.asleep = false
  }

  left(record: JobRecord): void {
    this.#running.delete(record)
    this.#use(record, -1)
    if (!this.#policy.byProject) return
    for (const { lines } of this.#kinds.values()) {
      const line = lines[record.project]
      if (line && line.waiting.size > 0) this.#stand(line)
    }
  }

  decide(now: number, act: Act): number | undefined {
    if (this.#gains !== this.#floor.gains || now >= this.#stepsAtMs) this.#wake()
    this.#last = undefined // who runs has come nearer to its end
    for (let place = this.#first(); place; place = this.#first()) {
      const { line, head } = place
      const { demand } = line.kind
      const spots = this.#floor.fit(demand) ?? (this.#policy.preempts && this.#makeRoom(head, now, act))
      if (spots) {
        line.waiting.pop()
        this.#stand(line)
        this.#start(head.record, spots, act)
      } else if (this.#policy.strict) for (const kind of this.#kinds.values()) kind.asleep = true
      else line.kind.asleep = true
    }
    this.#gains = this.#floor.gains
    this.#stepsAtMs = this.#nextStep(now)
    return this.#stepsAtMs === Number.POSITIVE_INFINITY ? undefined : this.#stepsAtMs
  }

  #line({ demand, project }: JobRecord): Line {
    const places = (): Heap<Place> => createHeap((a, b) => this.#goesBefore(a, b))
    const kind = this.#kinds.get(demand) ?? { demand, lines: [], places: places(), asleep: false }
    this.#kinds.set(demand, kind)
    const at = this.#policy.byProject ? project : 0
    return (kind.lines[at] ??= { kind, project: at, waiting: createHeap(before), place: undefined })
  }

  /** Gives a line its place anew: its first one is another, or its project has less than before. */
  #stand(line: Line): void {
    const head = line.waiting.peek()
    line.place = head && { line, head, share: this.#shareOf(line) }
    if (line.place) line.kind.places.push(line.place)
    if (line.kind.places.size > 4 * line.kind.lines.length + 64) this.#tidy(line.kind)
  }

  /** Leaves out the places that are no longer right. */
  #tidy(kind: Kind): void {
    kind.places = createHeap((a, b) => this.#goesBefore(a, b))
    for (const line of kind.lines) if (line?.place) kind.places.push(line.place)
  }

  #shareOf({ project }: Line): number {
    return this.#policy.byProject ? (this.#shares[project] ?? 0) : 0
  }

  /** Who goes first, of those that are not known to find no room. */
  #first(): Place | undefined {
    let best: Place | undefined
    for (const kind of this.#kinds.values()) {
      const place = kind.asleep ? undefined : this.#firstOf(kind)
      if (place && (!best || this.#goesBefore(place, best))) best = place
    }
    return best
  }

  #firstOf({ places }: Kind): Place | undefined {
    for (let place = places.peek(); place; place = places.peek()) {
      const { line, share } = place
      const isRight = line.place === place && share === this.#shareOf(line)
      if (isRight) return place
      places.pop()
      if (line.place === place) this.#stand(line)
    }
    return undefined
  }

  #goesBefore(a: Place, b: Place): boolean {
    const isEqual = a.share === b.share || a.head.record.job.priority !== b.head.record.job.priority
    return isEqual ? before(a.head, b.head) : a.share < b.share
  }

  #use({ project, demand }: JobRecord, change: 1 | -1): void {
    const used = this.#used[demand.unit]
    used[project] = (used[project] ?? 0) + change * demand.amount
    const part = (unit: Unit) => (this.#total[unit] > 0 ? (this.#used[unit][project] ?? 0) / this.#total[unit] : 0)
    this.#shares[project] = Math.max(part('gpu'), part('cpu')) / (this.#weights[project] ?? 1)
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

  /** Wakes all but those that need not look: what they ask for is not there, and they may stop nobody for it. */
  #wake(): void {
    const looks = this.#policy.strict || this.#policy.preempts
    for (const kind of this.#kinds.values())
      if (kind.places.size > 0) kind.asleep = !looks && !this.#floor.mayFit(kind.demand)
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
