import type { Project } from '#model/project.ts'

import type { Floor, Place, Spots } from './floor.ts'
import type { JobRecord } from './job-record.ts'

/** What a scheduler may do while it decides. What it does is checked, counted, and part of the digest. */
export type Act = {
  /**
   * Starts a waiting job, at a place of an accelerator where it takes a part of one. Throws when there is no room: that is
   * a bug of the scheduler.
   */
  start(record: JobRecord, spots: Spots, place?: Place | null): void
  /** Stops a running job; it is told before, saves its work, and waits again, unless it can never start any more. */
  preempt(record: JobRecord): void
}

/**
 * Who decides, in a simulation. It keeps its own queue: it is told what comes to wait and what leaves the nodes, and is
 * asked once for each moment at which anything happened.
 */
export type Scheduler = {
  readonly name: string
  /** It keeps to what holds for projects: quotas, budgets, and where they may stand for how much. */
  readonly keepsTerms?: true
  /** It gives parts of accelerators; under others who asks for a part takes a whole one. */
  readonly givesParts?: true
  /** A job begins to wait: it arrived, or lost its nodes. Who is preempted by the scheduler itself is not told. */
  waits(record: JobRecord, now: number): void
  /** A job that waits can never start any more. */
  refused?(record: JobRecord, now: number): void
  /** A running job left its nodes: it ended, or lost them. */
  left(record: JobRecord, now: number): void
  /** Decides, and may say when to ask again even if nothing happens until then. */
  decide(now: number, act: Act): number | undefined
  /** Nothing more happens. */
  ends?(): void
}

/** `projects` are all those of the trace; `terms` say of each of them, and of those above it, what holds for it. */
export type MakeScheduler = (floor: Floor, projects: readonly string[], terms: readonly Project[]) => Scheduler
