import { createHash } from 'node:crypto'

import { halfLives, mostLeases } from '#store/queries/market.ts'
import type { MarketHistory } from '#store/market-history.ts'
import { jsonb, jsonText } from './jsonb.ts'
import type { Memory } from './memory.ts'
import type { LeaseRow, WorkloadRow } from './rows.ts'
import { ageless } from './sites.ts'
import { wasTaken } from './spot.ts'
import { all, siteOf } from './tables.ts'

export const createMarketHistory = (memory: Memory): MarketHistory => ({
  spot: (options) => memory.read(() => spot(memory, options)),
  sites: () =>
    memory.read(() => {
      const rows = memory.sites.byKey.get(all)
      const texts = rows.map((row) => `${row.key}${row.reach}${row.offers.length > 0 ? textOf(row) : ''}`)
      return {
        count: rows.filter(({ reach }) => reach === 'reachable').length,
        version: texts.length > 0 ? createHash('md5').update(texts.join(' ')).digest('hex') : '',
      }
    }),
  sent: (since) => memory.read(() => sent(memory, since)),
})

const textOf = (row: Parameters<typeof ageless>[0]): string => jsonText(jsonb(ageless(row)))

type Spot = Awaited<ReturnType<MarketHistory['spot']>>

function spot(memory: Memory, { site, now, halfLifeMs }: Parameters<MarketHistory['spot']>[0]): Spot {
  const { leases } = memory
  const from = leases.spot.behind(site, [now - halfLives * halfLifeMs])
  const open = leases.spot.before(site, [Infinity])
  const read = leases.spot.get(site).slice(Math.max(from, open - mostLeases))
  const shapes = Map.groupBy(read, ({ shape }) => shape)
  return [...shapes.keys()].sort().map((shape) => {
    let [nodeHours, taken] = [0, 0]
    for (const lease of shapes.get(shape) ?? []) {
      const until = lease.endedAt ?? now
      const weight = 0.5 ** (Math.max(0, now - until) / halfLifeMs)
      nodeHours += (weight * lease.ranks.length * Math.max(0, until - (lease.startedAt ?? until))) / 3_600_000
      if (wasTaken(memory, lease)) taken += weight
    }
    return { shape, nodeHours, taken }
  })
}

const bytesInMiB = 1_048_576

function sent({ leases, workloads }: Memory, since: number): Map<string, bigint> {
  const sums = new Map<string, bigint>()
  for (const lease of leases.started.get(all).slice(leases.started.before(all, [since]))) {
    const workload = workloads.get(lease.workload)
    if (!workload) continue
    for (const { site, bytes } of readsOf(workload, lease)) sums.set(site, (sums.get(site) ?? 0n) + bytes)
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Each worker of an array reads its part; all else reads the whole once an attempt. */
function readsOf({ spec }: WorkloadRow, lease: LeaseRow): { site: string; bytes: bigint }[] {
  const parts = spec.kind === 'array' ? Math.ceil(Math.min(spec.parallelism, spec.tasks) / 8) : 1
  return spec.data.flatMap(({ site, sizeMiB }) =>
    site === undefined || sizeMiB === undefined || site === siteOf(lease)
      ? []
      : [{ site, bytes: BigInt(Math.trunc((sizeMiB * bytesInMiB) / parts)) }],
  )
}
