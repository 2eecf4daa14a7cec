import type { Cause, CauseKind } from './cause.ts'

/**
 * One node of a lease as last heard of: `expected` (nobody has seen it), `arrived` (its agent is up and waits for the
 * others), `running`, `exited` (the exact exit is known), `lost` (the provider says that it is gone without one).
 */
export const rankMoves = {
  expected: ['arrived', 'running', 'exited', 'lost'],
  arrived: ['running', 'exited', 'lost'],
  running: ['exited', 'lost'],
  exited: [],
  lost: ['exited'],
} as const satisfies Record<string, readonly string[]>
export type RankState = keyof typeof rankMoves

export type Rank = {
  lease: string
  rank: number
  state: RankState
  /** Host where the other ranks reach it. */
  address: string | null
  /** Host and port of each served port, in the order of the spec. */
  endpoints: string[]
  /** Its readiness check passes; always true for a running rank without one. */
  ready: boolean
  /** What a shell would report: the exit code, or 128 + n after signal n. */
  exitCode: number | null
  startedAt: number | null
  endedAt: number | null
  /** When its agent was heard last; null where no agent reports. */
  heardAt: number | null
  /** Why it is so, or does not start yet, as far as anybody said. */
  cause: Cause | null
  /** When its node is taken away, where its provider gave notice: the earliest that it told. */
  leavesAt: number | null
}

/** What a rank with ports tells of them: its host, host and port of each, and whether its readiness check passes. */
export type Serving = Pick<Rank, 'ready' | 'address' | 'endpoints'>

/** A rank in a listing, as far as it may be news. */
export type ListedRank = Pick<Rank, 'lease' | 'rank' | 'state'> &
  Partial<Pick<Rank, 'ready' | 'address'>> & { leavesAt?: number; cause?: CauseKind }
