import { type RawBuilder, sql } from 'kysely'

import type { Entry } from '#model/entry.ts'
import type { Lease } from '#model/lease.ts'
import type { Database, Executor } from '#store/database.ts'
import type { CostFilter, CostGroup, Ledger } from '#store/store.ts'
import { leaseColumns } from './columns.ts'
import { isOwed, owed } from './owed.ts'

export const createLedger = (database: Database): Ledger => ({
  unmetered: (most) =>
    database.read(async (on) => {
      const { rows } = await sql<Lease>`
        select ${leaseColumns('l')} from leases l
        where ${isOwed}
        order by (l.ended_at is null), ${dueAt}, l.id limit ${most}
      `.execute(on)
      return rows
    }),
  add: (entries) => database.write((on) => add(on, entries)),
  spent: (kind, names, until) =>
    database.read(async (on) => {
      const ours = sql`any(${names}::text[])`
      const column = kind === 'project' ? sql`l.project` : sql`l.workload`
      const open = sql`union all select ${column}, ${owed(until ?? 0)} from leases l where ${column} = ${ours} and ${isOwed}`
      const { rows } = await sql<{ name: string; amount: bigint }>`
        select name, sum(micros) as amount from (
          select name, amount_micros as micros from spent where kind = ${kind} and name = ${ours}
          ${until === undefined ? sql`` : open}
        ) x group by name
      `.execute(on)
      return new Map(rows.map(({ name, amount }) => [name, amount]))
    }),
  cost: (filter, groups) => database.read((on) => cost(on, filter, groups)),
  warnOnce: (project, now) => database.write((on) => warnOnce(on, { kind: 'project', name: project, now })),
})

/** When the next entry of a lease `l` is due, as engine/metering says it; an index holds leases in this order. */
const dueAt = sql`(l.metered_until + least(600000, greatest(10000, (l.metered_until - l.started_at) / 4)))`

/** True for the first that warns of a budget. */
export async function warnOnce(
  on: Executor,
  { kind, name, now }: { kind: 'workload' | 'project'; name: string; now: number },
): Promise<boolean> {
  const { rows } = await sql`
    insert into spent as s (kind, name, amount_micros, warned_at) values (${kind}, ${name}, 0, ${now}::bigint)
    on conflict (kind, name) do update set warned_at = excluded.warned_at where s.warned_at is null
    returning 1
  `.execute(on)
  return rows.length > 0
}

async function add(on: Executor, entries: Entry[]): Promise<void> {
  if (entries.length === 0) return
  const leases = [...new Set(entries.map(({ lease }) => lease))]
  await sql`select id from leases where id = any(${leases}::text[]) order by id for no key update`.execute(on)
  const texts = entries.map((entry) => ({ ...entry, amountMicros: entry.amountMicros.toString() }))
  // What is metered already, by us before a crash or by another control plane, is not metered again.
  await sql`
    with added as (
      insert into entries (lease, workload, project, provider, site, tier, from_ms, to_ms, amount_micros)
      select x.lease, x.workload, x.project, x.provider, x.site, x.tier, x."from", x."to", x."amountMicros"
      from (
        select *, min("from") over (partition by lease) as first
        from json_to_recordset(${JSON.stringify(texts)}::json) as x (
          lease text, workload text, project text, provider text, site text, tier text,
          "from" bigint, "to" bigint, "amountMicros" numeric
        )
      ) x join leases l on l.id = x.lease
      -- All that was cut from one piece of time or nothing of it: its later part alone would leave a gap.
      -- And what begins later than where it is metered to leaves one as well: its begin moved since its time was read.
      where x.first = coalesce(l.metered_until, l.started_at, x.first) and x."to" > x."from"
        -- It may have ended since its time was read; the next entry then ends where it did.
        and (l.ended_at is null or x."to" <= l.ended_at)
      on conflict (lease, from_ms) do nothing
      returning lease, workload, project, to_ms, amount_micros
    ), metered as (
      update leases l set metered_until = a.until
      from (select lease, max(to_ms) as until from added group by lease) a where l.id = a.lease
    )
    insert into spent as s (kind, name, amount_micros)
    select kind, name, sum(amount_micros) from (
      select 'workload' as kind, workload as name, amount_micros from added
      union all select 'project', project, amount_micros from added
    ) a group by kind, name order by kind, name
    on conflict (kind, name) do update set amount_micros = s.amount_micros + excluded.amount_micros
  `.execute(on)
}

/** What each group is called by, as text; times are the starts of UTC days and hours. */
const keys: Record<CostGroup, RawBuilder<unknown>> = {
  workload: sql`e.workload`,
  project: sql`e.project`,
  provider: sql`e.provider`,
  site: sql`e.provider || '/' || e.site`,
  tier: sql`e.tier`,
  day: sql`to_char(to_timestamp(e.from_ms / 1000) at time zone 'UTC', 'YYYY-MM-DD')`,
  hour: sql`to_char(to_timestamp(e.from_ms / 1000) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:00"Z"')`,
}

async function cost(on: Executor, filter: CostFilter, groups: CostGroup[]): ReturnType<Ledger['cost']> {
  const conditions = [sql`true`]
  if (filter.project !== undefined) conditions.push(sql`e.project = ${filter.project}`)
  if (filter.workload !== undefined) conditions.push(sql`e.workload = ${filter.workload}`)
  if (filter.from !== undefined) conditions.push(sql`e.from_ms >= ${filter.from}::bigint`)
  if (filter.to !== undefined) conditions.push(sql`e.from_ms < ${filter.to}::bigint`)
  const names = groups.length > 0 ? sql`array[${sql.join(groups.map((group) => keys[group]))}]` : sql`array[]::text[]`
  const { rows } = await sql<{ keys: string[]; amountMicros: bigint; leaseMs: bigint }>`
    select ${names} as keys, sum(e.amount_micros) as "amountMicros", sum(e.to_ms - e.from_ms) as "leaseMs"
    from entries e where ${sql.join(conditions, sql` and `)} group by 1 order by 1
  `.execute(on)
  return rows
}
