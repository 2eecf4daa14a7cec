import { sql } from 'kysely'

import type { Database } from '#store/database.ts'
import type { MarketHistory } from '#store/market-history.ts'
import { ageless } from './sites.ts'
import { wasTaken } from './spot.ts'

/** Who ended so many half-lives ago counts less than a thousandth, and of a site no more than so many of them are read. */
export const [halfLives, mostLeases] = [10, 20_000]
/** Where nothing has ended yet, it is as if it did at the end of all times; an index is in this order. */
const endOf = sql`coalesce(ended_at, 9223372036854775807)`

export const createMarketHistory = (database: Database): MarketHistory => ({
  spot: ({ site, now, halfLifeMs }) =>
    database.read(async (on) => {
      const [provider = '', ...name] = site.split('/')
      const ofSite = sql`
        leases where provider = ${provider} and site = ${name.join('/')} and tier = 'spot' and started_at is not null`
      // A gang goes when any of its nodes is taken, so a lost lease is one loss, however many nodes it had.
      const { rows } = await sql<Awaited<ReturnType<MarketHistory['spot']>>[number]>`
        select shape, sum(weight * nodes * greatest(0, until - started_at) / 3600000.0)::float8 as "nodeHours",
          sum(weight * lost)::float8 as taken
        from (
          select l.shape, l.started_at, coalesce(l.ended_at, ${now}::bigint) as until,
            power(0.5, greatest(0, ${now}::bigint - coalesce(l.ended_at, ${now}::bigint)) / ${halfLifeMs}::float8) as weight,
            jsonb_array_length(l.ranks) as nodes, ${wasTaken}::int as lost
          from (
            (select * from ${ofSite} and ${endOf} = 9223372036854775807)
            union all
            (
              select * from ${ofSite} and ${endOf} < 9223372036854775807
                and ${endOf} > ${now - halfLives * halfLifeMs}::bigint
              order by ${endOf} desc limit ${mostLeases}
            )
          ) l join attempts a on a.id = l.attempt
        ) x group by shape order by shape
      `.execute(on)
      return rows
    }),
  sites: () =>
    database.read(async (on) => {
      const { rows } = await sql<{ count: number; version: string | null }>`
        select count(*) filter (where reach = 'reachable')::int as count,
          md5(string_agg(key || reach || coalesce(${ageless(sql`offers`)}::text, ''), ' ' order by key)) as version
        from sites
      `.execute(on)
      return { count: rows[0]?.count ?? 0, version: rows[0]?.version ?? '' }
    }),
  sent: (since) =>
    database.read(async (on) => {
      // Each worker of an array reads its part; all else reads the whole once an attempt.
      const { rows } = await sql<{ site: string; bytes: string }>`
        select d ->> 'site' as site, sum(trunc((d ->> 'sizeMiB')::numeric * 1048576 / case w.kind when 'array' then
          ceil(least((w.spec ->> 'parallelism')::numeric, (w.spec ->> 'tasks')::numeric) / 8) else 1 end))::text as bytes
        from leases l join workloads w on w.id = l.workload cross join jsonb_array_elements(w.spec -> 'data') d
        where l.started_at >= ${since}::bigint and d ? 'sizeMiB' and d ->> 'site' <> l.provider || '/' || l.site
        group by 1 order by 1
      `.execute(on)
      return new Map(rows.map(({ site, bytes }) => [site, BigInt(bytes)]))
    }),
})
