import type { Job } from '#simulator/traces/job.ts'

import type { Demand, Spots } from './floor.ts'

/** `coming`: it has not arrived. `refused`: the fleet could not hold it even when empty. */
export type TaskState = 'coming' | 'waiting' | 'running' | 'ended' | 'refused'

/** A job on its way through a simulation. All times are whole milliseconds since the trace began. */
export type Task = {
  readonly index: number
  readonly job: Job
  readonly demand: Demand
  readonly project: number
  readonly checkpointMs: number
  readonly restartMs: number
  state: TaskState
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
}

export const noSpots: Spots = []

/** Work left, by what it has done up to now; what it has not saved yet counts as done. */
export const remainingMs = (task: Task, now: number): number =>
  task.state === 'running'
    ? Math.min(task.endsAtMs - now, task.job.durationMs - task.doneMs)
    : task.job.durationMs - task.doneMs

/** Ends a run at `now`: what it held, did, saved and lost. Its nodes are given back by who calls. */
export function endRun(task: Task, now: number, end: 'ended' | 'preempted' | 'lost'): void {
  const held = now - task.startedAtMs
  const startup = Math.min(held, task.runStartupMs)
  const done = task.doneMs + held - startup
  task.heldMs += held
  task.startupMs += startup
  task.spots = noSpots
  const saved = end === 'lost' ? savedOf(task, done) : done
  task.lostMs += done - saved
  task.doneMs = saved
  task.state = end === 'ended' ? 'ended' : 'waiting'
  if (end === 'preempted') task.preemptions++
  if (end === 'lost') task.losses++
}

const savedOf = ({ checkpointMs, doneMs }: Task, done: number): number =>
  checkpointMs === 0 ? done : Math.max(doneMs, Math.floor(done / checkpointMs) * checkpointMs)
