import { drawOf } from '#kit/random.ts'
import type { Faults, Supply as Change } from './faults.ts'
import type { SimulatedSite } from './options.ts'

/** What there is at a site, at any instant: nodes and prices of its pools, and our quota. */
export type Supply = {
  pool(pool: number, at: number): { nodes: number; priceMicros: number }
  /** Nodes that we may hold there at once. */
  quota(at: number): number
  /** From now on; what it does not name stays. */
  change(change: Change & { at: number }): void
}

type Options = { seed: string | number; site: SimulatedSite; faults: Faults }

export function createSupply({ seed, site, faults }: Options): Supply {
  const changes: (Change & { at: number })[] = faults.changes.filter((one) => one.site === site.name)
  changes.sort((one, other) => one.at - other.at)
  const { swings } = faults

  const latest = <K extends 'nodes' | 'priceMicros' | 'quota'>(what: K, at: number, pool?: number) =>
    changes.findLast(
      (one) => one.at <= at && one[what] !== undefined && (pool === undefined || (one.pool ?? pool) === pool),
    )?.[what]
  const swung = (amount: number, what: 'nodes' | 'price', { pool, at }: { pool: number; at: number }): number => {
    if (!swings) return amount
    const [least, most] = swings[what]
    const percent = least + (most - least) * drawOf(seed, site.name, what, pool, Math.floor(at / swings.everyMs))
    return Math.floor((amount * percent) / 100)
  }

  return {
    pool(pool, at) {
      const { nodes = 0, priceMicros = 0 } = site.pools[pool] ?? {}
      return {
        nodes: swung(latest('nodes', at, pool) ?? nodes, 'nodes', { pool, at }),
        priceMicros: swung(latest('priceMicros', at, pool) ?? priceMicros, 'price', { pool, at }),
      }
    },
    quota: (at) => {
      const changed = latest('quota', at)
      return (changed === undefined ? site.quota : changed) ?? Infinity
    },
    change(change) {
      const after = changes.findIndex((one) => one.at > change.at)
      changes.splice(after < 0 ? changes.length : after, 0, change)
    },
  }
}
