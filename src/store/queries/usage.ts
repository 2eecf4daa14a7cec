import { type RawBuilder, sql } from 'kysely'

import type { Executor } from '#store/database.ts'
import type { Usage } from '#store/store.ts'

/** Older use than so many half-lives is less than a thirtieth of what it was, and left out. */
export const halfLives = 5

/**
 * What each project held on average, newer times counting more: a lease that held an amount from `start` to `end` adds
 * that amount times 2^(-(now - end) / h) - 2^(-(now - start) / h), which is 1 for what was always held. Accelerators are
 * counted in thousandths, as in quotas.
 */
export async function readUsage(on: Executor, now: number, halfLifeMs: number): Promise<Map<string, Usage>> {
  // Beyond so many half-lives nothing is left, and PostgreSQL would refuse to say how little.
  const faded = (at: RawBuilder<unknown>) =>
    sql`power(2, -least(64, greatest(0, ${now}::float8 - ${at}) / ${halfLifeMs}::float8))`
  const { rows } = await sql<Usage & { project: string }>`
    select l.project, sum(r.accelerators * l.part * 1000) as accelerators, sum(r.cpu * l.part) as "cpuMilli",
      sum(r.memory * l.part) as "memoryMiB"
    from (
      select project, ranks, ${faded(sql`coalesce(ended_at, ${now}::bigint)`)} - ${faded(sql`started_at`)} as part
      from leases
      where started_at is not null and (ended_at is null or ended_at > ${now - halfLives * halfLifeMs}::bigint)
    ) l
    cross join lateral (
      select sum((x ->> 'accelerators')::float8) as accelerators, sum((x ->> 'cpuMilli')::float8) as cpu,
        sum((x ->> 'memoryMiB')::float8) as memory
      from jsonb_array_elements(l.ranks) x
    ) r
    group by l.project
  `.execute(on)
  return new Map(rows.map(({ project, ...usage }) => [project, usage]))
}
