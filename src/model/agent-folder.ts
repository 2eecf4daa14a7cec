import type { ProcessIdentity } from '#kit/processes.ts'

import type { Exit, Go } from './agent-protocol.ts'
import type { Shape } from './resources.ts'

/**
 * The folder of one rank: how whoever starts an agent (a provider, the first boot of a machine) and the agent speak to
 * each other. Each file is written once, by one side, and says one thing; what is not there is not yet so.
 */
export const agentFiles = {
  /** `AgentOrder`, before the agent starts. Mode 0600: it holds the credential. */
  order: 'order.json',
  /** `ProcessIdentity` of the process last started to be the agent, by whoever started it: it may die before it says so. */
  begun: 'begun.json',
  /** `ProcessIdentity` of the one agent that runs this rank; linked exclusively, so that a second agent goes home. */
  agent: 'agent.json',
  /** `RankStart`: the rank runs. */
  start: 'start.json',
  /** `RankEnd`: how it ended, on disk before anyone is told. */
  end: 'end.json',
  /** `StopOrder`, from outside, before a SIGTERM to the agent. */
  stop: 'stop.json',
  /** By a confined agent: who holds the machine took it away, so that how the rank ends now is not its own doing. */
  taken: 'taken.json',
  /** A bounded log (kit) of what the rank wrote, standard output and error as they came. */
  output: 'output',
} as const

/** So much of what a rank wrote is kept, in bytes: the last of it. */
export const mostOutputBytes = 64 * 1024 * 1024

export type AgentOrder = {
  token: string
  workload: string
  attempt: number
  rank: number
  credential: string
  controlPlanes: string[]
  /** Host where the other ranks reach this one. */
  address: string
  /** Where torchrun and its like meet, on the address of rank 0. */
  masterPort: number
  shape: Shape
  /** The accelerators that this rank may use, by their numbers; a slice (MIG) by its identifier. */
  accelerators: (number | string)[]
  /** Between SIGTERM and SIGKILL, where nobody says otherwise. */
  graceMs: number
  permit?: StartPermit
  /** Whoever started the agent holds it and its rank to their share of the machine already. */
  confined?: boolean
  /**
   * It runs in a container of its own: what the container has in its environment is the rank's too, its output is that of
   * the container, and its workdir lies in its folder already. `checkpoints`: where this workload's are, if there.
   */
  container?: { checkpoints: string | null }
}

/**
 * Permission to start without asking first, for a rank that is alone. It is over when either clock says so: the wall
 * clock goes on while a machine sleeps, and the other is never set back.
 */
export type StartPermit = { go: Go; until: { wallMs: number; monotonicMs: number } }

/** The process group of the rank; absent for the worker of an array, which has one for each task. */
export type RankStart = { startedAt: number; group: ProcessIdentity | null }

export type RankEnd = { exit: Exit; startedAt: number | null; endedAt: number }

export type StopOrder = { graceMs: number; askedAt: number }

/**
 * In the environment of an agent and of everything it starts: the token of its order, so that what escaped can be
 * found. Processes of a rank have `rankTag` as well.
 */
export const leaseTag = 'ISOBAR_LEASE'
export const rankTag = 'ISOBAR_RANK'
