import type { Refusal } from '#model/plan.ts'
import type { Job } from '#simulator/traces/job.ts'

import type { Demand, Place, Spots } from './floor.ts'

/** `coming`: it has not arrived. `refused`: it can never start, whatever ends. */
export type JobState = 'coming' | 'waiting' | 'running' | 'ended' | 'refused'

export const noSpots: Spots = []

/** Of each job so many times, side by side; of so many jobs in one array. */
export type Times = readonly number[][]

const at = { done: 0, lost: 1, startup: 2, held: 3, firstStart: 4, started: 5, ends: 6 } as const
const timesOfEach = 7
const jobsTogether = 4096

/**
 * These numbers are beyond 32 bits: an object would keep each of them in a box of its own, and there are millions of jobs.
 * V8 keeps an array in which a fraction stood without boxes. Typed arrays are beyond its heap; of 64 MiB there it collects
 * all its garbage.
 */
export function timesFor(jobs: number): Times {
  const none = Array.from({ length: jobsTogether * timesOfEach }, () => 0.5).fill(0)
  return Array.from({ length: Math.ceil(jobs / jobsTogether) }, () => none.slice())
}

type Given = Pick<JobRecord, 'index' | 'job' | 'demand' | 'project' | 'checkpointMs' | 'restartMs'>

/** What has become of a job in a simulation. All times are whole milliseconds since the trace began. */
export class JobRecord {
  readonly index: number
  readonly job: Job
  readonly demand: Demand
  readonly project: number
  readonly checkpointMs: number
  readonly restartMs: number
  state: JobState = 'coming'
  /** When it was told that it can never start, and why. */
  refused: { atMs: number; refusal: Refusal } | null = null
  starts = 0
  preemptions = 0
  losses = 0
  runStartupMs = 0
  spots: Spots = noSpots
  /** Of the accelerator that it shares; null while it shares none. */
  place: Place | null = null
  readonly #times: number[]
  readonly #first: number

  constructor({ index, job, demand, project, checkpointMs, restartMs }: Given, times: Times) {
    this.index = index
    this.job = job
    this.demand = demand
    this.project = project
    this.checkpointMs = checkpointMs
    this.restartMs = restartMs
    this.#times = times[Math.floor(index / jobsTogether)] ?? []
    this.#first = (index % jobsTogether) * timesOfEach
    this.firstStartMs = -1
  }

  /** Work that no loss takes away any more. */
  get doneMs(): number {
    return this.#time(at.done)
  }

  set doneMs(ms: number) {
    this.#setTime(at.done, ms)
  }

  /** Work that was done and lost. */
  get lostMs(): number {
    return this.#time(at.lost)
  }

  set lostMs(ms: number) {
    this.#setTime(at.lost, ms)
  }

  /** Time that starting again took. */
  get startupMs(): number {
    return this.#time(at.startup)
  }

  set startupMs(ms: number) {
    this.#setTime(at.startup, ms)
  }

  /** Time on nodes in all runs that are over. */
  get heldMs(): number {
    return this.#time(at.held)
  }

  set heldMs(ms: number) {
    this.#setTime(at.held, ms)
  }

  get firstStartMs(): number {
    return this.#time(at.firstStart)
  }

  set firstStartMs(ms: number) {
    this.#setTime(at.firstStart, ms)
  }

  /** The run it is in. */
  get startedAtMs(): number {
    return this.#time(at.started)
  }

  set startedAtMs(ms: number) {
    this.#setTime(at.started, ms)
  }

  get endsAtMs(): number {
    return this.#time(at.ends)
  }

  set endsAtMs(ms: number) {
    this.#setTime(at.ends, ms)
  }

  #time(which: number): number {
    return this.#times[this.#first + which] ?? 0
  }

  #setTime(which: number, ms: number): void {
    this.#times[this.#first + which] = ms
  }
}

/** What it takes, in accelerators or thousandths of a core. */
export const unitsOf = ({ demand }: JobRecord): number => (demand.amount * demand.milli) / 1000

/** Work left, by what it has done up to now; what it has not saved yet counts as done. */
export const remainingMs = (record: JobRecord, now: number): number =>
  record.state === 'running'
    ? Math.min(record.endsAtMs - now, record.job.durationMs - record.doneMs)
    : record.job.durationMs - record.doneMs

/** Ends a run at `now`: what it held, did, saved and lost. Its nodes are given back by who calls. */
export function endRun(record: JobRecord, now: number, end: 'ended' | 'preempted' | 'lost'): void {
  const held = now - record.startedAtMs
  const startup = Math.min(held, record.runStartupMs)
  const done = record.doneMs + held - startup
  record.heldMs += held
  record.startupMs += startup
  record.spots = noSpots
  record.place = null
  const saved = end === 'lost' ? savedOf(record, done) : done
  record.lostMs += done - saved
  record.doneMs = saved
  record.state = end === 'ended' ? 'ended' : 'waiting'
  if (end === 'preempted') record.preemptions++
  if (end === 'lost') record.losses++
}

const savedOf = ({ checkpointMs, doneMs }: JobRecord, done: number): number =>
  checkpointMs === 0 ? done : Math.max(doneMs, Math.floor(done / checkpointMs) * checkpointMs)
