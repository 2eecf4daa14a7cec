import type { Floor, Spots } from './floor.ts'
import type { Task } from './task.ts'

/** What a scheduler may do while it decides. What it does is checked, counted, and part of the digest. */
export type Act = {
  /** Starts a waiting task. Throws when there is no room: that is a bug of the scheduler. */
  start(task: Task, spots: Spots): void
  /** Stops a running task; it is told before, saves its work, and waits again. */
  preempt(task: Task): void
}

/**
 * Who decides, in a simulation. It keeps its own queue: it is told what comes to wait and what leaves the nodes, and is
 * asked once for each moment at which anything happened.
 */
export type Scheduler = {
  readonly name: string
  /** A task begins to wait: it arrived, or lost its nodes. Who is preempted by the scheduler itself is not told. */
  waits(task: Task, now: number): void
  /** A running task left its nodes: it ended, or lost them. */
  left(task: Task, now: number): void
  /** Decides, and may say when to ask again even if nothing happens until then. */
  decide(now: number, act: Act): number | undefined
}

export type MakeScheduler = (floor: Floor) => Scheduler
