import { type RawBuilder, sql } from 'kysely'

import { occupyingStates } from '#model/lease.ts'
import type { Replica } from '#model/replica.ts'
import type { Executor } from '#store/database.ts'
import type { OccupyingLease } from '#store/store.ts'
import { replicaColumns } from './columns.ts'

/** What of a spec has no say in where it may be placed. */
const ofNoNeed =
  'name project priority labels workdir setup run env checkpoint retry expiry ports readiness replicas'.split(' ')

/**
 * What a spec asks of a place, as a short text that is equal for equal wishes; `spec` and `id` are SQL. A budget is each
 * workload's own.
 */
export const needOf = (spec: RawBuilder<unknown>, id: RawBuilder<unknown>): RawBuilder<string> => sql`
  md5((${spec} - ${ofNoNeed}::text[])::text || case when ${spec} ? 'budget' then ${id} else '' end)
`

/** The first so many of a need that is asleep are read, and of all of them together. */
const firstOfNeed = 64
const mostAsleep = 4_000

type Asked = { now: number; most: number; asleep: string[] }
type Row = Replica & { need: string; inLine: number; early: boolean }
export type Queue = { replicas: (Replica & { need: string })[]; more: boolean; unread: Set<string> }

/**
 * Replicas that may be placed, in the order of the queue: the first `most` whose need is not asleep or that were never
 * told why they wait, and beside them the first few of each need that is asleep.
 */
export async function readQueue(on: Executor, { now, most, asleep }: Asked): Promise<Queue> {
  const { rows } = await sql<Row>`
    with queue as materialized (
      select r.workload, r.replica, w.priority, w.created_at, w.refusal is not null as told, concat_ws(' ',
        w.project, w.priority, coalesce(w.need, w.id), case when r.avoid <> '{}' then (
          select string_agg(key, ' ' order by key) from jsonb_each_text(r.avoid) where value::bigint > ${now}::bigint
        ) end
      ) as need
      from replicas r join workloads w on w.id = r.workload
      where r.state = 'waiting' and r.not_before <= ${now}::bigint
        and w.wants = 'run' and w.state in ('queued', 'starting', 'running')
    ), marked as (
      select q.*, need in (select unnest(${asleep}::text[])) as sleeps from queue q
    ), line as (
      select *, count(*) over (partition by need) as in_line,
        row_number() over (partition by need order by created_at, workload, replica) as place
      from marked where sleeps
    ), chosen as (
      (
        select workload, replica, need, sleeps::int::bigint as in_line, true as early from marked where not sleeps or not told
        order by sleeps, priority desc, created_at, workload, replica limit ${most}
      ) union all (
        select workload, replica, need, in_line, false from line where place <= ${firstOfNeed}
        order by place, priority desc, created_at limit ${mostAsleep}
      )
    )
    select ${replicaColumns('r')}, c.need, c.in_line as "inLine", c.early
    from (
      select workload, replica, min(need) as need, max(in_line) as in_line, bool_or(early) as early from chosen group by 1, 2
    ) c
    join replicas r on r.workload = c.workload and r.replica = c.replica join workloads w on w.id = r.workload
    order by w.priority desc, w.created_at, w.id, r.replica
  `.execute(on)
  const last = rows.findLastIndex(({ early, inLine }) => early && inLine === 0)
  // Who comes behind somebody that was not read has to wait for him to be.
  const isFull = rows.filter(({ early, inLine }) => early && inLine === 0).length >= most
  const read = isFull ? rows.slice(0, last + 1) : rows
  const ofNeed = Map.groupBy(read, ({ need }) => need)
  return {
    replicas: read.map(({ inLine: _line, early: _early, ...replica }) => replica),
    more: rows.filter(({ early }) => early).length >= most,
    unread: new Set(
      [...ofNeed].filter(([, all]) => all.some(({ inLine }) => inLine > all.length)).map(([need]) => need),
    ),
  }
}

/**
 * All leases that occupy capacity; where the provider chooses the nodes, those that hold the same at the same place come
 * as one. `apart` are the workloads whose own leases are told apart from all others'.
 */
export async function readLeases(on: Executor, apart: string[]): Promise<OccupyingLease[]> {
  const live = sql`l.state = any(${occupyingStates}::text[])`
  const hasNodes = sql`l.ranks #> '{0,node}' is not null`
  const { rows } = await sql<OccupyingLease>`
    select l.id, l.workload, l.project, l.provider, l.site, l.tier, l.ranks, l.price_micros as "priceMicros", l.shape,
      g.times, w.name, g.ends as "endsAt", v.name as "endsName"
    from (
      select max(l.id) as id, count(*)::int as times, min(l.ends_at) as ends,
        substr(min(lpad(l.ends_at::text, 16, '0') || l.workload), 17) as first
      from leases l where ${live} and not (${hasNodes}) and l.workload <> all(${apart}::text[])
      group by l.project, l.provider, l.site, l.tier, l.shape, l.price_micros, l.ranks
      union all
      select l.id, 1, l.ends_at, l.workload from leases l
      where ${live} and (${hasNodes} or l.workload = any(${apart}::text[]))
    ) g
    join leases l on l.id = g.id join workloads w on w.id = l.workload left join workloads v on v.id = g.first
    order by l.id
  `.execute(on)
  return rows
}
