import type { Refusal } from '#model/plan.ts'
import type { Job } from '#simulator/traces/job.ts'

import type { Demand, Place, Spots } from './floor.ts'

/** `coming`: it has not arrived. `refused`: it can never start, whatever ends. */
export type JobState = 'coming' | 'waiting' | 'running' | 'ended' | 'refused'

/** What has become of a job in a simulation. All times are whole milliseconds since the trace began. */
export type JobRecord = {
  readonly index: number
  readonly job: Job
  readonly demand: Demand
  readonly project: number
  readonly checkpointMs: number
  readonly restartMs: number
  state: JobState
  /** When it was told that it can never start, and why. */
  refused: { atMs: number; refusal: Refusal } | null
  /** Work that no loss takes away any more. */
  doneMs: number
  /** Work that was done and lost. */
  lostMs: number
  /** Time that starting again took. */
  startupMs: number
  /** Time on nodes in all runs that are over. */
  heldMs: number
  starts: number
  preemptions: number
  losses: number
  firstStartMs: number
  /** The run it is in. */
  startedAtMs: number
  runStartupMs: number
  endsAtMs: number
  spots: Spots
  /** Of the accelerator that it shares; null while it shares none. */
  place: Place | null
}

export const noSpots: Spots = []

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
