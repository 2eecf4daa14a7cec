import type { AttemptState } from './attempt.ts'
import type { NewEvent } from './event.ts'
import type { LeaseState } from './lease.ts'
import type { Kept } from './replica.ts'
import type { WorkloadState } from './workload.ts'

/**
 * What a decision writes. A decider returns a list of these, and the store applies the list in one transaction, each
 * guarded by the table of moves of its noun: a change that no longer fits the row changes nothing.
 */
export type Change =
  | { change: 'workload'; id: string; to: WorkloadState; reason: string; exitCode?: number }
  /** The state stays, and there is something new to say about it. */
  | { change: 'reason'; id: string; reason: string }
  /** Look at this workload again at `at`, even if nothing reports; by whom a claim of it is held, that is over. */
  | { change: 'look-again'; id: string; at: number; claim?: number }
  | { change: 'attempt'; id: string; to: AttemptState; reason: string; exitCode?: number }
  | { change: 'attempt-ready'; id: string; ready: boolean }
  /**
   * `since`: when it was `starting`, where it is known to be so from an earlier moment on than now. `inLine`: nothing is
   * held for it yet, and billed; its site tells when something is.
   */
  | { change: 'lease'; id: string; to: LeaseState; since?: number; inLine?: true }
  /** Ask the provider to retire the lease until nothing of it is left; intended once, whoever asks again. */
  | { change: 'retire'; lease: string; site: string }
  /** Back to the queue, with its counters and from when on. */
  | {
      change: 'replica-waits'
      workload: string
      replica: number
      losses: number
      failures: number
      notBefore: number
      avoid: Record<string, number>
      /** Nothing is kept for it where this is absent. */
      kept?: Kept
    }
  | { change: 'replica-done'; workload: string; replica: number }
  /** Give the unfinished tasks that a dead attempt held back to the queue. */
  | { change: 'release-tasks'; workload: string; attempt: number }
  /** Tell it unless this workload was warned of its budget before. */
  | { change: 'warn'; event: NewEvent & { workload: string } }
  | { change: 'event'; event: NewEvent }
