/** A table of states and the states that may follow each; the only place where the two are written. */
export type Moves = Record<string, readonly string[]>

/** Whether `to` may follow `from`. Staying where one is is always allowed: a repeated report changes nothing. */
export const mayMove = <T extends Moves>(moves: T, from: keyof T & string, to: keyof T & string): boolean =>
  from === to || statesAfter(moves, from).includes(to)

/** States that nothing follows. */
export const finalStates = <T extends Moves>(moves: T): (keyof T & string)[] =>
  Object.keys(moves).filter((state) => moves[state]?.length === 0)

/** States from which `to` is one move away: what an UPDATE may start from. */
export const statesBefore = <T extends Moves>(moves: T, to: keyof T & string): (keyof T & string)[] =>
  Object.keys(moves).filter((state) => moves[state]?.includes(to))

const statesAfter = (moves: Moves, from: string): readonly string[] => moves[from] ?? []
