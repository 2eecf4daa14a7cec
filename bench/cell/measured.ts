import { createCell, type Cell, type CellPlan } from '#engine/cell/cell.ts'
import { take } from '#engine/cell/take.ts'

import type { Ask, GangRequest } from '#engine/cell/ask.ts'

import { decideInLine } from './in-line.ts'

import { cpuSeconds } from './clock.ts'

/** The work of somebody else: their nodes, what is done on them, and what they say of it themselves. */
export type Work = {
  work: string
  published: string
  plan: CellPlan
  /** What is there before the clock starts; the todo is what comes back. */
  begin: (cell: Cell) => (count: Count) => void
  /** The same as a list, where it is one, to be decided through the queue as well. */
  asked?: Asked
}

export type Asked = [count: number, gang: GangRequest][]

export type Count = { decisions: number; ranks: number; refused: number }

export type Measured = Pick<Work, 'work' | 'published'> &
  Count & { ms: string; 'ranks/s': number; 'through the queue, ms': string }

/** Longer lists are of millions, whose names alone would fill the memory. */
const queuedAtMost = 100_000

/** Done again and again, each time on a cell of its own; the best of `rounds`. */
export function measure({ work, published, plan, begin, asked = [] }: Work, rounds: number): Measured {
  let best = Infinity
  let count = { decisions: 0, ranks: 0, refused: 0 }
  for (let round = 0; round < rounds; round++) {
    const todo = begin(createCell(plan))
    count = { decisions: 0, ranks: 0, refused: 0 }
    const start = cpuSeconds()
    todo(count)
    best = Math.min(best, (cpuSeconds() - start) * 1000)
  }
  const total = asked.reduce((sum, [each]) => sum + each, 0)
  const isQueued = total > 0 && total <= queuedAtMost
  const queued = isQueued ? Math.min(...Array.from({ length: rounds }, () => decideInLine(asked, plan).ms)) : NaN
  return {
    work,
    ...count,
    ms: best.toFixed(1),
    'ranks/s': Math.round((count.ranks / best) * 1000),
    'through the queue, ms': isQueued ? queued.toFixed(1) : '',
    published,
  }
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
