import { sql } from 'kysely'

import type { Database } from '#store/database.ts'

/** What one watches a house by. Only what is not over is counted, so that it stays cheap however much has ended. */
export type Figures = {
  workloads: { kind: string; state: string; count: number }[]
  /** When the oldest workload in the queue was submitted; null when none waits. */
  oldestQueued: number | null
  /** Live leases by site and tier, and what they cost in an hour, in micro-dollars. */
  leases: { site: string; tier: string; state: string; count: number; priceMicros: number }[]
  sites: { site: string; reach: string }[]
}

export const figuresOf = (database: Database): Promise<Figures> =>
  database.read(async (on) => {
    const workloads = await sql<Figures['workloads'][number]>`
      select kind, state, count(*)::int as count from workloads
      where ended_at is null group by kind, state
    `.execute(on)
    const queued = await sql<{ oldest: number | null }>`
      select min(created_at) as oldest from workloads
      where state = 'queued' and ended_at is null -- for the index of active ones
    `.execute(on)
    const leases = await sql<Figures['leases'][number]>`
      select provider || '/' || site as site, tier, state, count(*)::int as count, sum(price_micros)::float8 as "priceMicros"
      from leases where state in ('wanted', 'starting', 'held', 'stopping', 'lost') group by provider, site, tier, state
    `.execute(on)
    const sites = await sql<Figures['sites'][number]>`select key as site, reach from sites`.execute(on)
    return {
      workloads: workloads.rows,
      oldestQueued: queued.rows[0]?.oldest ?? null,
      leases: leases.rows,
      sites: sites.rows,
    }
  })
