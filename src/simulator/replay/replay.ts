import { createHeap } from '#kit/heap.ts'
import type { Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import { Budgets } from '#simulator/rules/budgets.ts'
import { lateBar, latestStartMs } from '#simulator/rules/deadline.ts'
import { HouseRules } from '#simulator/rules/house-rules.ts'
import { createNever, type Never } from '#simulator/rules/never.ts'
import { plainProject, termsOf } from '#simulator/scenario/projects.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { Job, Unit } from '#simulator/traces/job.ts'

import { broken } from './broken-rule.ts'
import { createDemands } from './demands.ts'
import { createDigest } from './digest.ts'
import { disturbances, type Disturbance, type World } from './disturb.ts'
import { createFairnessWatch, type Fairness } from './fairness.ts'
import { type Demand, FloorKeeper, type Place, type Spots } from './floor.ts'
import { createMeter, mainUnit, type Measured } from './meter.ts'
import type { Act, MakeScheduler, Scheduler } from './scheduler.ts'
import { endRun, JobRecord, timesFor, unitsOf } from './job-record.ts'
import { Tenants } from './tenants.ts'
import { createWatch, type Watch } from './watch.ts'

export type ReplayOptions = {
  fleet: Fleet
  /** In the order of arrival. */
  jobs: readonly Job[]
  scheduler: MakeScheduler
  scenario: Scenario
  seed: number
  /** What is said of projects: quotas, weights, trees. Policies of a queue alone do not know of it. */
  projects?: readonly Project[]
  /** How often it is looked at from beside whether all is as it must be: now and then, or at every moment. */
  watched?: 'always'
}

export type Outcome = {
  policy: string
  /** By which it is measured. */
  unit: Unit
  records: readonly JobRecord[]
  projects: readonly string[]
  /** What each of them has spent, in micro-dollars; null for those without a budget that is kept. */
  spentMicros: readonly (bigint | null)[]
  /** What was said of each of them. */
  terms: readonly Project[]
  measured: Measured
  fairness: Fairness
  /** When the last thing happened. */
  endMs: number
  moments: number
  /** Of every decision and every end, in order. */
  digest: string
}

/** Ends come before what a scenario does (`rank`), then who has waited too long for its deadline; all before what arrives. */
type Coming =
  | { atMs: number; rank: 0; order: number; record: JobRecord; run: number }
  | { atMs: number; rank: 1; order: number; disturbance: Disturbance }
  | { atMs: number; rank: 2; order: number; late: JobRecord }

/**
 * Replays jobs on a fleet under a scheduler: simulated time in whole milliseconds, from one moment at which anything
 * happens to the next. Nothing but its options decides what happens, so that equal options give an equal outcome. Throws a
 * `BrokenRule` where a scheduler does what it must not.
 */
export class Replay {
  readonly records: readonly JobRecord[]
  now = 0
  moments = 0
  /** Jobs that have ended, or never could begin. */
  over = 0
  readonly #floor: FloorKeeper
  readonly #scheduler: Scheduler
  readonly #coming = createHeap<Coming>(
    (a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && (a.rank < b.rank || (a.rank === b.rank && a.order < b.order))),
  )
  readonly #tenants: Tenants
  readonly #never: Never
  readonly #budgets: Budgets
  /** What holds for each project of the trace, and what was said of it: some policies know nothing of that. */
  readonly #terms: readonly Project[]
  readonly #said: readonly Project[]
  readonly #digest = createDigest()
  readonly #meter
  readonly #fairness
  readonly #projects: string[]
  /** Fairness is told of this one. */
  readonly #unit: Unit
  readonly #act: Act
  readonly #world: World
  readonly #watch: Watch
  #arrived = 0
  #running = 0
  #waiting = 0
  /** Of those who wait, those who will be told that it is too late. */
  #due = 0
  /** Of what is to come, the things that will surely come to an end. */
  #lasting = 0
  #order = 0
  #repriced = 0
  #lookAgainMs = Number.POSITIVE_INFINITY

  constructor(options: ReplayOptions) {
    const { fleet, jobs, scenario, seed } = options
    this.#unit = mainUnit(fleet.groups, jobs)
    this.#floor = new FloorKeeper(fleet)
    this.#tenants = new Tenants(fleet.nodes)
    this.#meter = createMeter(this.#floor, this.#unit)
    this.#projects = [...new Set(jobs.map(({ project }) => project))].sort()
    const terms = termsOf(this.#projects, options.projects ?? [])
    this.#scheduler = options.scheduler(this.#floor, this.#projects, terms)
    this.#fairness = createFairnessWatch(this.#projects, terms)
    this.records = recordsOf(jobs, this.#projects, {
      scenario,
      demandOf: createDemands(this.#scheduler.givesParts ? fleet : null),
    })
    this.#act = {
      start: (record, spots, place = null) => this.#start(record, spots, place),
      preempt: (record) => this.#stop(record, 'preempted'),
    }
    const kept = this.#scheduler.keepsTerms ? terms : termsOf(this.#projects, [])
    this.#terms = ofProjects(this.#projects, kept)
    this.#said = ofProjects(this.#projects, terms)
    const ruled = { floor: this.#floor, rules: new HouseRules(fleet, kept) }
    this.#budgets = new Budgets(this.#terms, ruled)
    this.#never = createNever({ ...ruled, terms: kept, prices: scenario.prices })
    this.#watch = createWatch(fleet, {
      every: options.watched ? 1 : Math.ceil(jobs.length / jobsALook),
      terms: kept,
      keepsDeadlines: this.#scheduler.keepsTerms === true,
    })
    this.#world = this.#worldOf()
    for (const disturbance of disturbances(scenario, seed)) this.#expect(disturbance)
  }

  get policy(): string {
    return this.#scheduler.name
  }

  /** Goes on to the next moment; false when nothing can happen any more. */
  step(): boolean {
    const arrival = this.records[this.#arrived]?.job.arrivalMs ?? Number.POSITIVE_INFINITY
    const settled = this.#running + this.#lasting + this.#due === 0 && this.#lookAgainMs === Number.POSITIVE_INFINITY
    const at = Math.min(arrival, this.#next()?.atMs ?? Number.POSITIVE_INFINITY, this.#lookAgainMs)
    const isOver = (arrival === Number.POSITIVE_INFINITY && settled) || this.over === this.records.length
    if (isOver || at === Number.POSITIVE_INFINITY) {
      this.#scheduler.ends?.()
      return false
    }
    this.#meter.advance(at, this.#waiting)
    this.now = at
    this.moments++
    for (let next = this.#next(); next && next.atMs <= at; next = this.#next()) {
      this.#coming.pop()
      if (next.rank === 0) this.#end(next.record, next.run)
      else if (next.rank === 1) this.#happen(next.disturbance)
      else this.#tellIfHopeless(next.late)
    }
    for (
      let record = this.records[this.#arrived];
      record && record.job.arrivalMs <= at;
      record = this.records[++this.#arrived]
    )
      this.#arrive(record)
    this.#tellHopeless()
    this.#lookAgainMs = this.#scheduler.decide(at, this.#act) ?? Number.POSITIVE_INFINITY
    if (this.#lookAgainMs <= at) broken('it wants to look again at a time gone by')
    this.#fairness.look(at, this.#floor.tallies[this.#unit].usable)
    this.#watch.look(this.records, { now: at, arrived: this.#arrived })
    return true
  }

  /** What has come of it up to now. */
  outcome(): Outcome {
    return {
      policy: this.policy,
      unit: this.#unit,
      records: this.records,
      projects: this.#projects,
      spentMicros: this.#projects.map((_, project) => this.#budgets.spentMicros(project, this.now)),
      terms: this.#said,
      measured: this.#meter.result(),
      fairness: this.#fairness.result(),
      endMs: this.now,
      moments: this.moments,
      digest: this.#digest.text(),
    }
  }

  #expect(disturbance: Disturbance): void {
    if (!disturbance.endless) this.#lasting++
    this.#coming.push({ atMs: disturbance.atMs, rank: 1, order: this.#order++, disturbance })
  }

  #happen(disturbance: Disturbance): void {
    if (!disturbance.endless) this.#lasting--
    for (const next of disturbance.happen(this.#world)) this.#expect(next)
  }

  #arrive(record: JobRecord): void {
    if (this.#isHopeless(record)) return
    record.state = 'waiting'
    this.#wait(record, 1)
    this.#expectLate(record)
    this.#scheduler.waits(record, this.now)
  }

  /** Where deadlines are kept: who waits is looked at again when it is too late to start. */
  #expectLate(late: JobRecord): void {
    if (!this.#keepsDeadline(late)) return
    this.#coming.push({ atMs: latestStartMs(late, this.now) + 1, rank: 2, order: this.#order++, late })
  }

  #keepsDeadline({ job }: JobRecord): boolean {
    return this.#scheduler.keepsTerms === true && job.deadlineMs !== null
  }

  /** What is next to happen: whoever waits no more is not late. */
  #next(): Coming | undefined {
    const isOver = (one: Coming | undefined) => one?.rank === 2 && one.late.state !== 'waiting'
    while (isOver(this.#coming.peek())) this.#coming.pop()
    return this.#coming.peek()
  }

  #refuse(record: JobRecord, refusal: Refusal): void {
    record.state = 'refused'
    record.refused = { atMs: this.now, refusal }
    this.over++
    this.#digest.note('refuse', record, this.now)
  }

  /** Refuses who can never start from now on. */
  #isHopeless(record: JobRecord): boolean {
    const terms = this.#termsOf(record)
    const refusal =
      this.#never.why(record.demand, terms, this.now) ??
      (this.#scheduler.keepsTerms ? lateBar(record, terms, this.now) : null) ??
      this.#budgets.bar(record, this.now)
    if (refusal) this.#refuse(record, refusal)
    return refusal !== null
  }

  /** Those who wait are told as soon as their budgets are used up, or what they would pay has gone for good. */
  #tellHopeless(): void {
    const usedUp = this.#budgets.usedUp(this.now)
    const isRepriced = this.#never.isPriced && this.#repriced !== this.#floor.repriced
    this.#repriced = this.#floor.repriced
    if (usedUp.length === 0 && !isRepriced) return
    for (let i = 0; i < this.#arrived; i++) {
      const record = this.records[i]
      if (record?.state === 'waiting' && (isRepriced || usedUp.includes(record.project))) this.#tellIfHopeless(record)
    }
  }

  #tellIfHopeless(record: JobRecord): void {
    if (!this.#isHopeless(record)) return
    this.#wait(record, -1)
    this.#scheduler.refused?.(record, this.now)
  }

  #termsOf({ project, job }: JobRecord): Project {
    return this.#terms[project] ?? plainProject(job.project)
  }

  #wait(record: JobRecord, change: 1 | -1): void {
    const { project, demand } = record
    this.#waiting += change
    if (this.#keepsDeadline(record)) this.#due += change
    if (demand.unit === this.#unit) this.#fairness.waiting(project, change * unitsOf(record))
  }

  #use(record: JobRecord, change: 1 | -1): void {
    const { project, demand } = record
    this.#running += change
    if (demand.unit === this.#unit) this.#fairness.used(project, change * unitsOf(record))
  }

  #start(record: JobRecord, spots: Spots, place: Place | null): void {
    if (record.state !== 'waiting') broken(`${record.job.id} is ${record.state} and cannot start`)
    if (amountOf(spots) !== record.demand.amount)
      broken(`${record.job.id} asks for ${record.demand.amount} and is given ${amountOf(spots)}`)
    if ((record.demand.part !== null) !== (place !== null))
      broken(
        `${record.job.id} asks for ${place ? 'all' : 'a part'} of an accelerator, and is given ${place ? 'a part' : 'all'}`,
      )
    if (place) this.#floor.takeShare(spots, place, record.demand.milli)
    else this.#floor.take(spots)
    record.state = 'running'
    record.spots = spots
    record.place = place
    record.startedAtMs = this.now
    record.runStartupMs = record.starts > 0 ? record.restartMs : 0
    record.endsAtMs = this.now + record.runStartupMs + record.job.durationMs - record.doneMs
    if (record.starts++ === 0) record.firstStartMs = this.now
    this.#budgets.started(record, this.now)
    this.#wait(record, -1)
    this.#use(record, 1)
    for (let i = 0; i < spots.length; i += 2) this.#tenants.add(spots[i] ?? 0, record.index)
    this.#coming.push({ atMs: record.endsAtMs, rank: 0, order: this.#order++, record, run: record.starts })
    this.#digest.note('start', record, this.now)
    this.#watch.started(record)
  }

  #end(record: JobRecord, run: number): void {
    if (record.state !== 'running' || record.starts !== run) return // that run was cut short
    this.#leave(record)
    endRun(record, this.now, 'ended')
    this.over++
    this.#digest.note('end', record, this.now)
    this.#scheduler.left(record, this.now)
  }

  #stop(record: JobRecord, why: 'preempted' | 'lost'): void {
    if (record.state !== 'running') broken(`${record.job.id} is ${record.state} and cannot be stopped`)
    this.#leave(record)
    endRun(record, this.now, why)
    this.#digest.note(why === 'lost' ? 'lose' : 'preempt', record, this.now)
    if (this.#isHopeless(record)) return
    this.#wait(record, 1)
    this.#expectLate(record)
  }

  /** Gives back what a running job holds. */
  #leave(record: JobRecord): void {
    const { spots, place } = record
    for (let i = 0; i < spots.length; i += 2)
      if (!this.#tenants.remove(spots[i] ?? 0, record.index))
        broken(`${record.job.id} leaves node ${spots[i]}, on which it is not`)
    if (place) this.#floor.giveShare(spots, place, record.demand.milli)
    else this.#floor.give(spots)
    this.#budgets.left(record, this.now)
    this.#use(record, -1)
  }

  #worldOf(): World {
    return {
      close: (node) => {
        const last = () => this.records[this.#tenants.last(node)]
        for (let record = last(); record; record = last()) {
          this.#stop(record, 'lost')
          this.#scheduler.left(record, this.now)
          if (record.state === 'waiting') this.#scheduler.waits(record, this.now)
        }
        this.#floor.close(node)
        this.#watch.closed(node, 1)
      },
      open: (node) => {
        this.#floor.open(node)
        this.#watch.closed(node, -1)
      },
      setRefusing: (group, refuses) => {
        this.#floor.setRefusing(group, refuses)
        this.#watch.refused(group, refuses ? 1 : -1)
      },
      setPrice: (group, priceMicros) => {
        this.#meter.reprice(group, priceMicros)
        this.#floor.setPrice(group, priceMicros)
        this.#watch.repriced(group, priceMicros)
      },
    }
  }
}

function ofProjects(names: readonly string[], terms: readonly Project[]): Project[] {
  const termOf = new Map(terms.map((project) => [project.name, project]))
  return names.map((name) => termOf.get(name) ?? plainProject(name))
}

/** A look takes as long as there are jobs that are not over; with a backlog of all of them, so few still cost little. */
const jobsALook = 32

function amountOf(spots: Spots): number {
  let sum = 0
  for (let i = 1; i < spots.length; i += 2) sum += spots[i] ?? 0
  return sum
}

type Making = { scenario: Scenario; demandOf: (job: Job) => Demand }

function recordsOf(jobs: readonly Job[], projects: readonly string[], { scenario, demandOf }: Making): JobRecord[] {
  const numbers = new Map(projects.map((name, number) => [name, number]))
  const times = timesFor(jobs.length)
  return jobs.map((job, index) => {
    const project = numbers.get(job.project) ?? 0
    const checkpointMs = job.checkpointMs ?? scenario.checkpointMs
    const restartMs = job.restartMs ?? scenario.restartMs
    return new JobRecord({ index, job, demand: demandOf(job), project, checkpointMs, restartMs }, times)
  })
}
