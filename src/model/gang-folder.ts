import type { Shape } from './resources.ts'

/**
 * The folder of a gang that runs as one job of a batch system, on a disk that its nodes and we share, or on one of ours
 * that its nodes ask us about (`gang-relay.ts`): how whoever submits the job and who leads the gang in it speak to each other. Each rank has a folder in it, named by its number
 * (`agent-folder.ts`). What is not there is not yet so.
 */
export const gangFiles = {
  /** `GangOrder`, before anything is submitted. Mode 0600: it holds the credential. */
  order: 'order.json',
  /** Beside the order from the first, and removed before anything is submitted: while it is there, no job carries the order. */
  unsent: 'unsent',
  /** `GangJob`: what was submitted last. */
  job: 'job.json',
  /**
   * `GangClaim`, linked exclusively: whoever has it decides. A job that has it runs the gang, and every other one with
   * the same order runs nothing; who retires the order takes it so that none ever runs. Its leader touches it while
   * it lives.
   */
  claim: 'claim.json',
  /** `GangNodes`, before the ranks start. */
  nodes: 'nodes.json',
  /** The node of each rank, one a line. */
  hosts: 'hosts',
  /** `StopOrder`, from outside. A shorter one may replace it. */
  stop: 'stop.json',
  /** `GangOver`: all ranks have ended. */
  over: 'over.json',
  /** What the job itself printed: why it could not start its ranks. */
  output: 'job.log',
} as const

export type GangOrder = {
  token: string
  workload: string
  attempt: number
  credential: string
  controlPlanes: string[]
  graceMs: number
  /** How long it may run. */
  maximumMs?: number
  /** `node`: where it runs, and nowhere else; without it the batch system chooses. All have one, or none. */
  ranks: { rank: number; shape: Shape; node?: string }[]
}

/** A job as the batch system named it when it took it; it may forget it, and give the number to somebody else. */
export type GangJob = { id: number }

/** The job that runs the gang; none when it is never to run. `by`: who asked for it through us, in words of its own. */
export type GangClaim = { job: string | null; by?: string }

/** Where the ranks reach each other, by the names of their nodes, and a port that was free on the first. */
export type GangNodes = { addresses: Record<string, string>; masterPort: number }

export type GangOver = { endedAt: number }

/** How often the leader of a gang touches its claim, and after how long without it is dead. */
export const leaderBeatMs = 5_000
export const leaderDeadMs = 30_000
