import { movesTo } from '#engine/lifecycle/moves-to.ts'
import { attemptMoves } from '#model/attempt.ts'
import { leaseMoves } from '#model/lease.ts'
import { finalStates, type Moves } from '#model/moves.ts'
import { operationMoves } from '#model/operation.ts'
import { rankMoves } from '#model/rank.ts'
import { replicaMoves } from '#model/replica.ts'
import { workloadMoves } from '#model/workload.ts'
import type { RowChange } from './changes.ts'
import type { Invariant } from './invariant.ts'

/** A retirement that failed for good may be asked for again: the only way out of an end, and none leads there today. */
const tables = {
  workloads: workloadMoves,
  replicas: replicaMoves,
  attempts: attemptMoves,
  leases: leaseMoves,
  ranks: rankMoves,
  operations: operationMoves,
} as const satisfies Record<string, Moves>
const names = Object.keys(tables) as (keyof typeof tables)[] // its own keys

/** What has a table of moves goes from state to state only as that table says; several moves may lie between two looks. */
export const statesMoveAsTheirTablesSay = (): Invariant => ({
  name: 'states move only as their tables of moves say',
  rule: 3,
  when: 'always',
  check: ({ changes }) => names.flatMap((name) => changes[name].flatMap((change) => strayed(name, change))),
})

type Stateful = { state: string }

function strayed(name: keyof typeof tables, { key, before, after }: RowChange<Stateful>): string[] {
  const moves: Moves = tables[name]
  const noun = name.slice(0, -1)
  if (after === null) return []
  if (!(after.state in moves)) return [`${noun} ${key} is ${after.state}, which is no state`]
  if (before === null || movesTo(moves, before.state, after.state) !== null) return []
  return [`${noun} ${key} went from ${before.state} to ${after.state}, and no way leads there`]
}

/** What has ended stays as it ended: state, end and exit code. */
export const endedStaysEnded = (): Invariant => ({
  name: 'what has ended stays as it ended',
  rule: 3,
  when: 'always',
  check: ({ changes }) => [
    ...changes.workloads.flatMap((change) => reopened('workload', change, workloadMoves)),
    ...changes.attempts.flatMap((change) => reopened('attempt', change, attemptMoves)),
    ...changes.leases.flatMap((change) => reopened('lease', change, leaseMoves)),
  ],
})

type Ending = Stateful & { endedAt: number | null; exitCode?: number | null; reason?: string }

function reopened(noun: string, { key, before, after }: RowChange<Ending>, moves: Moves): string[] {
  if (!before || !after || !finalStates(moves).includes(before.state)) return []
  const kept = (['state', 'endedAt', 'exitCode'] as const).every((column) => before[column] === after[column])
  return kept ? [] : [`${noun} ${key} ended as ${textOf(before)} and is now ${textOf(after)}`]
}

const textOf = ({ state, endedAt, exitCode }: Ending): string => `${state} at ${endedAt} with ${exitCode ?? 'no code'}`
