/** Work that was made to leave for other work. */
export type Preemption = {
  /** The workload that left, and its project. */
  victim: string
  project: string
  /** The workload for which it left. */
  by: string
  /** It was moved: made to leave only to start elsewhere. */
  isMove?: boolean
  /** Milliseconds since the epoch. */
  at: number
}
