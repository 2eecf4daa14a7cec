import { createMix, mixTables } from './mix.ts'
import type { Share, SharedNodes } from './nodes.ts'
import { createPool, type Kind, type Pool } from './pool.ts'
import { waste } from './waste.ts'

/** A pool that puts each share where the least goes to waste, for the mix of shares that it has seen arrive. */
export type Sharing = Pool & {
  /** Tells of an arrival, once, before a place is chosen for it. */
  arrived(share: Share): Kind
}

export function createSharing(nodes: SharedNodes): Sharing {
  const mix = createMix()
  const nothing = mixTables([])
  let tables = nodes.models.map(() => nothing)
  const pool = createPool(nodes, {
    value: (state) => waste(tables[state.model] ?? nothing, state),
    cost: (before, after) => after - before,
  })
  return {
    ...pool,
    arrived(share) {
      if (mix.saw(share)) {
        tables = mix.tables(nodes.models)
        pool.forget()
      }
      return pool.kindOf(share)
    },
  }
}
