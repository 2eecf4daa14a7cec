import type { Question } from '#server/market/linear.ts'
import type { Solver } from '#server/market/solver.ts'

/** Solves at once and in this thread, so that the same story is the same history. It takes a while to load. */
export async function createDirectSolver(): Promise<Solver> {
  const { solve } = await import('#server/market/linear.ts')
  const answer = async (question: Question) => solve(question)
  return {
    solve: (program, seconds) => answer({ program, seconds, whole: false }),
    solveWhole: (program, seconds) => answer({ program, seconds, whole: true }),
    close: () => Promise.resolve(),
  }
}
