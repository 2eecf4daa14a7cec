import { createMix, mixTables, type Share } from './mix.ts'
import { waste, type NodeState } from './waste.ts'

/** What decides among the nodes that have room. */
export type Judge = {
  /** How bad a state of a node is. */
  value(state: NodeState): number
  /** How bad a step from a state of one value to one of another is: the least is taken. */
  cost(before: number, after: number): number
  /** Tells of an arrival, once, before a place is chosen for it. True when all nodes are to be judged anew. */
  arrived?(share: Share): boolean
}

/** Puts each share where the least goes to waste, for the mix of shares that it has seen arrive. */
export function createJudge(classes: number): Judge {
  const mix = createMix()
  const nothing = mixTables([])
  let tables = Array.from({ length: classes }, () => nothing)
  let isStale = false
  return {
    value(state) {
      // Where many come before any is placed, the tables are made once.
      if (isStale) tables = mix.tables(classes)
      isStale = false
      return waste(tables[state.nodeClass] ?? nothing, state)
    },
    cost: (before, after) => after - before,
    arrived(share) {
      const hasLearned = mix.saw(share)
      isStale ||= hasLearned
      return hasLearned
    },
  }
}
