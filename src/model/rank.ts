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
}
