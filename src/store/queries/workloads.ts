import { type RawBuilder, sql } from 'kysely'

import type { Attempt } from '#model/attempt.ts'
import type { Lease } from '#model/lease.ts'
import type { Refusal } from '#model/plan.ts'
import type { Rank } from '#model/rank.ts'
import { wantedReplicas, type Wants, type Workload } from '#model/workload.ts'
import type { Database, Executor } from '#store/database.ts'
import type { By, ListedWorkload, NewWorkload, Workloads } from '#store/store.ts'
import { attemptColumns, leaseColumns, rankColumns, workloadColumns } from './columns.ts'
import { tell } from './events.ts'
import { dueWithNews } from './news-due.ts'
import { newestFirst, orderOf, pageOf } from './pages.ts'
import { expired, forget } from './prune.ts'
import { lineOf, needOf } from './queue.ts'
import { askedEvent, prioritisedEvent, submittedEvent } from './told.ts'

export const createWorkloads = (database: Database): Workloads => ({
  submit: (workloads, now) => database.write((on) => submit(on, workloads, now)),
  get: (id) => database.read((on) => one(on, id)),
  find: (project, nameOrId) =>
    database.read(async (on) => {
      const named = sql`select id, created_at from workloads where project = ${project} and name = ${nameOrId}`
      const newest = sql`order by created_at desc, id desc limit 1`
      const found = await listed(
        on,
        sql`
          select id from (
            (select 1 as choice, id from workloads where project = ${project} and id = ${nameOrId})
            union all (select 2, id from (${named} and ended_at is null ${newest}) live)
            union all (select 3, id from (${named} ${newest}) ended)
          ) found order by choice limit 1
        `,
      )
      return found[0] ?? null
    }),
  list: (filter, page) => database.read((on) => listed(on, pageOf(filter, page), orderOf(page))),
  want: (id, wants, by) => database.write((on) => want(on, { id, wants, ...by })),
  prioritise: (id, priority, by) => database.write((on) => prioritise(on, { id, priority, ...by })),
  attempts: (id) => database.readAtOnce((on) => attemptsOf(on, id)),
  refusal: (id) =>
    database.read(async (on) => {
      const { rows } = await sql<{ refusal: Refusal | null }>`select refusal from workloads where id = ${id}`.execute(
        on,
      )
      return rows[0]?.refusal ?? null
    }),
  failedTasks: (id, most) =>
    database.read(async (on) => {
      const { rows } = await sql<{ index: number; exitCode: number }>`
        select index, exit_code as "exitCode" from tasks where workload = ${id} and state = 'failed'
        order by index limit ${most}
      `.execute(on)
      return rows
    }),
  endpoints: () => database.read(endpointsOf),
  bundles: () =>
    database.read(async (on) => {
      const { rows } = await sql<{ bundle: string }>`
        select distinct bundle from workloads where ended_at is null and bundle is not null
      `.execute(on)
      return rows.map(({ bundle }) => bundle)
    }),
  expired: (options) => database.read((on) => expired(on, options)),
  forget: (ids) => database.write((on) => forget(on, ids)),
})

export const mostServices = 10_000

async function endpointsOf(on: Executor): Promise<{ project: string; name: string; endpoints: string[] }[]> {
  const { rows } = await sql<{ project: string; name: string; endpoints: string[] }>`
    select w.project, w.name,
      coalesce(jsonb_agg(r.endpoints -> 0 order by a.replica) filter (where r.endpoints -> 0 is not null), '[]') as endpoints
    from workloads w
    left join attempts a on a.workload = w.id and a.ready and a.state = 'running'
    left join leases l on l.attempt = a.id
    left join ranks r on r.lease = l.id and r.rank = 0
    where w.kind = 'service' and w.ended_at is null
    group by w.project, w.name order by w.project, w.name limit ${mostServices}
  `.execute(on)
  return rows
}

/** A workload that waits to be placed is looked at after so long: a net below the nudges. */
export const firstLookMs = 60_000

async function submit(on: Executor, workloads: NewWorkload[], now: number): Promise<void> {
  if (workloads.length === 0) return
  await sql`
    insert into workloads (id, name, project, kind, spec, bundle, priority, need, submitted_by, created_at, due_at)
    select x.id, x.name, x.project, x.kind, x.spec, x.bundle, x.priority, ${needOf(sql`x.spec`, sql`x.id`)}, x."submittedBy", ${now}::bigint,
      -- Until it is placed nothing can follow for it, unless a time is set for its end.
      ${now}::bigint + case when x.spec ?| array['expiry', 'deadline'] then 0 else ${firstLookMs} end
    from json_to_recordset(${JSON.stringify(workloads)}::json) as x (
      id text, name text, project text, kind text, spec jsonb, bundle text, priority int, "submittedBy" text
    )
  `.execute(on)
  await sql`
    insert into replicas (workload, replica, need, priority, created_at)
    select x.id, generate_series(0, x.replicas - 1), ${lineOf}, w.priority, w.created_at
    from unnest(${workloads.map(({ id }) => id)}::text[], ${workloads.map(({ spec }) => wantedReplicas(spec))}::int[])
      as x (id, replicas) join workloads w on w.id = x.id
  `.execute(on)
  const events = workloads.map(submittedEvent)
  await tell(on, { events, now, nudges: ['follow', 'events'], news: { come: workloads.map(({ id }) => id) } })
}

type ListedRow = Omit<ListedWorkload, 'tasks'> & { succeeded: number; failed: number; leased: number }

/** The workloads of some ids, with what is shown beside each, in order. */
async function listed(on: Executor, ids: RawBuilder<unknown>, order = newestFirst): Promise<ListedWorkload[]> {
  const { rows } = await sql<ListedRow>`
    with page as materialized (${ids})
    select ${workloadColumns('w')},
      w.tasks_succeeded as succeeded, w.tasks_failed as failed, w.tasks_leased as leased,
      coalesce(r.replicas, 0)::int as replicas, coalesce(a.ready, 0)::int as ready,
      coalesce(l.sites, '{}') as sites, coalesce(l.price, 0)::bigint as "priceMicros",
      coalesce(s.amount_micros, 0) as "spentMicros"
    from page join workloads w on w.id = page.id
    left join lateral (select count(*) as replicas from replicas r where r.workload = w.id) r on true
    left join lateral (
      select count(*) as ready from attempts a
      where a.workload = w.id and a.ready and a.ended_at is null
    ) a on true
    left join lateral (
      select array_agg(distinct l.provider || '/' || l.site) as sites, sum(l.price_micros) as price from leases l
      where l.workload = w.id and l.state in ('wanted', 'starting', 'held', 'stopping')
    ) l on true
    left join spent s on s.kind = 'workload' and s.name = w.id
    order by ${order}
  `.execute(on)
  return rows.map(({ succeeded, failed, leased, ...row }) => ({
    ...row,
    tasks: row.kind === 'array' ? { succeeded, failed, leased } : null,
  }))
}

const one = async (on: Executor, id: string): Promise<ListedWorkload | null> =>
  (await listed(on, sql`select ${id}::text as id`))[0] ?? null

type Asked = By & { id: string }

/** Asks of the row as it is, which nobody else changes until the transaction ends. */
async function checked(on: Executor, { id, check }: Asked): Promise<void> {
  if (!check) return
  const { rows } = await sql<Workload>`
    select ${workloadColumns('w')} from workloads w where w.id = ${id} for no key update
  `.execute(on)
  if (rows[0]) check(rows[0])
}

async function want(on: Executor, { wants, ...asked }: Asked & { wants: Wants }): Promise<ListedWorkload | null> {
  await checked(on, asked)
  const { id, who, now } = asked
  // Once it is to stop, nothing takes that back.
  const { rows } = await sql<{ name: string; project: string }>`
    update workloads w set wants = ${wants}, due_at = ${dueWithNews(now)}
    where w.id = ${id} and w.ended_at is null and (w.wants <> 'stop' or ${wants} = 'stop')
    returning w.name, w.project
  `.execute(on)
  const [row] = rows
  if (!row) return null
  const event = askedEvent({ ...row, workload: id }, wants, who)
  await tell(on, { events: [event], now, nudges: ['follow', 'admit', 'events', 'agents'] })
  return one(on, id)
}

type Prioritised = Asked & { priority: number }

async function prioritise(on: Executor, { priority, ...asked }: Prioritised): Promise<ListedWorkload | null> {
  await checked(on, asked)
  const { id, who, now } = asked
  const { rows } = await sql<{ name: string; project: string }>`
    update workloads set priority = ${priority} where id = ${id} and ended_at is null returning name, project
  `.execute(on)
  const [row] = rows
  if (!row) return null
  await sql`
    update replicas r set priority = w.priority, need = ${lineOf} from workloads w where w.id = ${id} and r.workload = w.id
  `.execute(on)
  const event = prioritisedEvent({ ...row, workload: id }, priority, who)
  await tell(on, { events: [event], now, nudges: ['admit', 'events'] })
  return one(on, id)
}

async function attemptsOf(on: Executor, id: string): Promise<(Attempt & { lease: Lease | null; ranks: Rank[] })[]> {
  const attempts = await sql<Attempt>`
    select ${attemptColumns('a')} from attempts a where a.workload = ${id} order by a.number
  `.execute(on)
  const leases = await sql<Lease>`
    select ${leaseColumns('l')} from leases l where l.workload = ${id} order by l.created_at, l.id
  `.execute(on)
  const ranks = await sql<Rank>`
    select ${rankColumns('r')} from ranks r join leases l on l.id = r.lease where l.workload = ${id} order by r.rank
  `.execute(on)
  const leaseOf = new Map(leases.rows.map((lease) => [lease.attempt, lease])) // the latest of each
  const ranksOf = Map.groupBy(ranks.rows, ({ lease }) => lease)
  return attempts.rows.map((attempt) => {
    const lease = leaseOf.get(attempt.id) ?? null
    return { ...attempt, lease, ranks: ranksOf.get(lease?.id ?? '') ?? [] }
  })
}
