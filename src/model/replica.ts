/**
 * waiting → placed → done. One copy of a workload that is placed as a whole: a job has one, a service as many as it is
 * told, an array one per worker. `placed`: an attempt of it lives. `done`: it needs no further attempt. A lost or
 * failed attempt that may be tried again leads back to `waiting`.
 */
export const replicaMoves = {
  waiting: ['placed', 'done'],
  placed: ['waiting', 'done'],
  done: ['waiting'],
} as const satisfies Record<string, readonly string[]>
export type ReplicaState = keyof typeof replicaMoves

export type Replica = {
  workload: string
  /** From 0. */
  replica: number
  state: ReplicaState
  /** Attempts lost with their capacity, and attempts that ended with an exit code that is tried again. */
  losses: number
  failures: number
  /** Not before this time: when its last attempt ended, with backoff after a refusal or a failure; 0 at first. */
  notBefore: number
  /** Offers that refused it lately, and until when to leave them alone: `{"local/west": 1767225600000}`. */
  avoid: Record<string, number>
  /** While it waits after a loss: the nodes that are its own until it is decided whether it comes back to them. */
  kept?: Kept | null
}

/** The nodes of a lease that has ended or will, but for those of the ranks that were lost. */
export type Kept = { lease: string; lost: number[] }
