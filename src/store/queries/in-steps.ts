import type { Change } from '#model/change.ts'
import { type Moves, statesBefore } from '#model/moves.ts'

export type Kind = Change['change']
export type Of<K extends Kind> = Extract<Change, { change: K }>

export const of = <K extends Kind>(changes: Change[], kind: K): Of<K>[] =>
  changes.filter((change): change is Of<K> => change.change === kind)

/** Lists in which nothing comes twice, in order: the first change of each row, then the second of each, and so on. */
export function rounds<T>(changes: T[], key: (change: T) => string): T[][] {
  const seen = new Map<string, number>()
  const lists: T[][] = []
  for (const change of changes) {
    const round = seen.get(key(change)) ?? 0
    seen.set(key(change), round + 1)
    ;(lists[round] ??= []).push(change)
  }
  return lists
}

/** Changes to one state at a time, each with the states it may start from. */
export function* steps<T extends { id: string; to: string }>(changes: T[], moves: Moves) {
  for (const round of rounds(changes, ({ id }) => id))
    for (const [to, group] of Map.groupBy(round, (change): T['to'] => change.to))
      yield { to, group, ids: group.map(({ id }) => id), from: statesBefore(moves, to) }
}
