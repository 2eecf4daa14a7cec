import type { Moves } from '#model/moves.ts'

/**
 * The shortest way from one state to another in a table of moves, without the start: none when it is there already,
 * `null` when no way leads there.
 */
export function movesTo<T extends Moves>(
  moves: T,
  from: keyof T & string,
  to: keyof T & string,
): (keyof T & string)[] | null {
  const ways: (keyof T & string)[][] = [[]]
  const seen = new Set<string>([from])
  for (const way of ways) {
    const here = way.at(-1) ?? from
    if (here === to) return way
    for (const next of moves[here] ?? []) {
      if (seen.has(next)) continue
      seen.add(next)
      ways.push([...way, next])
    }
  }
  return null
}
