import { sql } from 'kysely'

import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import type { SpotFacts, SpotRun, Try } from '#model/spot.ts'
import type { Workload } from '#model/workload.ts'
import type { Executor } from '#store/database.ts'

/** What ended longer ago counts next to nothing, and of the rest no more than so many are read. */
export const [spotAgeMs, mostRuns] = [14 * 86_400_000, 2_000]

/** Of a lease `l` of an attempt `a`: whether its site took it, or told that it would. */
export const wasTaken = sql`(a.state = 'lost' or exists (select 1 from ranks r where r.lease = l.id and r.leaves_at is not null))`

type Reading = { workloads: readonly Workload[]; now: number; always: boolean }

/**
 * What was seen of spot markets, where one of the workloads is planned on them, or in any case: leases that were held, with
 * the losses among them (those of which their site told before count too), and those that were refused. An attempt ran until
 * its agents were heard last, if it has any: when it counts as lost is later.
 */
export async function readSpot(on: Executor, { workloads, now, always }: Reading): Promise<SpotFacts | null> {
  const planned = workloads.filter(({ spec }) => isPlannedToDeadline(spec)).map(({ id }) => id)
  if (planned.length === 0 && !always) return null
  const endedAt = sql`coalesce(l.ended_at, 9223372036854775807)`
  const { rows: runs } = await sql<SpotRun>`
    select l.provider || '/' || l.site as site, l.shape, coalesce(l.started_at, l.created_at) as from,
      case when l.state = 'refused' then l.created_at else l.ended_at end as until,
      l.state = 'refused' or ${wasTaken} as taken
    from leases l join attempts a on a.id = l.attempt
    where l.tier = 'spot' and ${endedAt} > ${now - spotAgeMs}::bigint and (l.started_at is not null or l.state = 'refused')
    order by ${endedAt} desc, l.id desc limit ${mostRuns}
  `.execute(on)
  const { rows: tries } = await sql<Try>`
    select a.workload, greatest(0, least(coalesce(a.ended_at, ${now}::bigint), l.heard) - a.started_at) as "ranMs",
      greatest(0, a.started_at - l.began) as "startMs"
    from attempts a cross join lateral (
      select min(coalesce(l.started_at, l.created_at)) as began, max(r.heard_at) as heard
      from leases l left join ranks r on r.lease = l.id where l.attempt = a.id
    ) l
    where a.workload = any(${planned}::text[]) and a.started_at is not null order by a.workload, a.number
  `.execute(on)
  return { runs, tries }
}
