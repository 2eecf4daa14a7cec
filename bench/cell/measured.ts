import { createCell, type Cell, type CellPlan } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'

import type { Ask } from '#engine/cell/ask.ts'

/**
 * Processor time of this process: rates are per second of it, so that they are those of one core even where others
 * compute beside us. Latencies are by the clock on the wall, and hold what others took.
 */
export const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

export const rssMB = (): number => Math.round(process.memoryUsage().rss / 1e6)

/** The work of somebody else: their nodes, what is done on them, and what they say of it themselves. */
export type Work = {
  work: string
  published: string
  plan: CellPlan
  /** What is there before the clock starts; the todo is what comes back. */
  begin: (cell: Cell) => (count: Count) => void
}

export type Count = { decisions: number; ranks: number; refused: number }

export type Measured = Pick<Work, 'work' | 'published'> & Count & { ms: string; 'ranks/s': number }

/** Done again and again, each time on a cell of its own; the best of `rounds`. */
export function measure({ work, published, plan, begin }: Work, rounds: number): Measured {
  let best = Infinity
  let count = { decisions: 0, ranks: 0, refused: 0 }
  for (let round = 0; round < rounds; round++) {
    const todo = begin(createCell(plan))
    count = { decisions: 0, ranks: 0, refused: 0 }
    const start = cpuSeconds()
    todo(count)
    best = Math.min(best, (cpuSeconds() - start) * 1000)
  }
  return { work, ...count, ms: best.toFixed(1), 'ranks/s': Math.round((count.ranks / best) * 1000), published }
}

/** Takes what is asked for, one after the other. */
export const takeAll =
  (asks: readonly Ask[]) =>
  (count: Count): void => {
    for (const ask of asks) takeOne(ask, count)
  }

export function takeOne(ask: Ask, count: Count): number {
  const gang = take(ask.cell, ask)
  count.decisions++
  if (gang < 0) count.refused++
  else count.ranks += ask.ranks
  return gang
}

export const times = (count: number, ask: Ask): Ask[] => Array.from({ length: count }, () => ask)
