/**
 * starting → running → succeeded or failed; stopping → stopped (or however it ended on its way down). `refused`: no
 * capacity after all. `lost`: its capacity went away. The number fences: only the latest attempt of a replica may
 * report, write or be billed as work.
 */
export const attemptMoves = {
  starting: ['running', 'stopping', 'succeeded', 'failed', 'refused', 'lost'],
  running: ['stopping', 'succeeded', 'failed', 'lost'],
  stopping: ['stopped', 'succeeded', 'failed', 'lost'],
  succeeded: [],
  failed: [],
  stopped: [],
  refused: [],
  lost: [],
} as const satisfies Record<string, readonly string[]>
export type AttemptState = keyof typeof attemptMoves

/** One placed try of a replica of a workload. */
export type Attempt = {
  id: string
  workload: string
  replica: number
  /** From 1, over all replicas of the workload; a higher one fences the lower ones of its replica. */
  number: number
  state: AttemptState
  plan: string
  /** All nodes are up; for a service: the readiness check passes. */
  ready: boolean
  exitCode: number | null
  reason: string
  createdAt: number
  startedAt: number | null
  endedAt: number | null
}
