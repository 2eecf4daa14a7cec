import { sql } from 'kysely'

import type { Change } from '#model/change.ts'
import type { Operation } from '#model/operation.ts'
import type { Database, Executor } from '#store/database.ts'
import type { ClaimedOperation, OperationResult, Operations } from '#store/store.ts'
import { knows } from './claims.ts'
import { attemptColumns, leaseColumns, operationColumns, replicaColumns, workloadColumns } from './columns.ts'

/** Applies changes within a transaction, as `apply` does. */
type ApplyWithin = (on: Executor, changes: Change[]) => Promise<number>

export const createOperations = (database: Database, applyWithin: ApplyWithin, newest: string): Operations => ({
  async claim(options) {
    const operations = await database.claim((on) => claim(on, { ...options, newest }))
    return operations.length === 0 ? [] : database.read((on) => withRows(on, operations))
  },
  nextAt: (kind, now) => database.read((on) => nextAt(on, kind, now)),
  settle: (claimed, result, changes) =>
    database.write(async (on) => {
      if (!(await settle(on, { ...claimed, result }))) return false
      await applyWithin(on, changes)
      return true
    }),
})

type Asked = Parameters<Operations['claim']>[0] & { newest: string }

async function claim(
  on: Executor,
  { kind, holder, now, most, seconds, sites = [], newest }: Asked,
): Promise<Operation[]> {
  const { rows } = await sql<Operation>`
    with rooms as (
      select * from unnest(${sites.map(({ site }) => site)}::text[], ${sites.map((one) => one.most)}::int[],
        ${sites.map((one) => one.seconds)}::float8[]) as room (site, most, seconds)
    ), due as (
      select p.id, p.site, p.not_before from operations p join leases l on l.id = p.lease
      where p.kind = ${kind} and p.state = 'intended' and p.not_before <= ${now}::bigint
        and (p.claimed_until is null or p.claimed_until < clock_timestamp())
        and ${kind === 'launch' ? launchable : retirable} and ${knows(newest)}
        and p.site not in (select site from rooms where most = 0)
      order by p.not_before, p.id limit ${most} for no key update of p skip locked
    ), mine as (
      select d.id, coalesce(room.seconds, ${seconds}) as seconds
      from (select *, row_number() over (partition by site order by not_before, id) as nth from due) d
        left join rooms room on room.site = d.site
      where d.nth <= coalesce(room.most, ${most})
    )
    update operations o set claimed_by = ${holder}, tries = o.tries + 1,
      claimed_until = clock_timestamp() + make_interval(secs => mine.seconds)
    from mine where o.id = mine.id returning ${operationColumns('o')}
  `.execute(on)
  return rows
}

async function nextAt(on: Executor, kind: Operation['kind'], now: number): Promise<number | null> {
  // How long claims last is told by the database's clock, and all else by that of the house.
  const { rows } = await sql<{ at: number | null }>`
    select min(greatest(
      p.not_before, ${now}::bigint + ceil(1000 * extract(epoch from p.claimed_until - clock_timestamp()))::bigint
    )) as at
    from operations p join leases l on l.id = p.lease
    where p.kind = ${kind} and p.state = 'intended' and (p.kind <> 'launch' or ${launchable})
  `.execute(on)
  return rows[0]?.at ?? null
}

const launchable = sql`l.state in ('wanted', 'starting')`

/** Not while a launch of it is under way: what that still creates would outlive the retirement. */
const retirable = sql`not exists (
  select 1 from operations q where q.lease = p.lease and q.kind = 'launch' and q.state = 'intended'
    and q.claimed_until >= clock_timestamp()
)`

type Rows = Omit<ClaimedOperation, keyof Operation>

/** Asked after the claim was committed, not with it: who ends a lease meanwhile sees the claim, or is seen here. */
async function withRows(on: Executor, operations: Operation[]): Promise<ClaimedOperation[]> {
  const { rows } = await sql<Rows>`
    select
      (select to_json(x) from (select ${leaseColumns('l')}, l.grace_ms as "graceMs", l.shape) x) as "leaseRow",
      (select to_json(x) from (select ${attemptColumns('a')}) x) as attempt,
      (select to_json(x) from (select ${workloadColumns('w')}) x) as workload,
      (select to_json(x) from (select ${replicaColumns('r')}) x) as replica
    from leases l join attempts a on a.id = l.attempt join workloads w on w.id = l.workload
      join replicas r on r.workload = a.workload and r.replica = a.replica
    where l.id = any(${operations.map(({ lease }) => lease)}::text[])
  `.execute(on)
  const rowsOf = new Map(rows.map((row) => [row.leaseRow.id, row]))
  return operations.flatMap((operation) => {
    const its = rowsOf.get(operation.lease)
    return its ? [{ ...operation, ...its }] : []
  })
}

async function settle(
  on: Executor,
  settled: { id: string; holder: string; tries: number; result: OperationResult },
): Promise<boolean> {
  const { id, holder, tries, result } = settled
  const retryAt = result.state === 'intended' ? result.retryAt : null
  // A launch to be tried again has no point once its lease is on its way out.
  const { rows } = await sql`
    update operations o set detail = ${result.detail.slice(0, 2000)}, claimed_by = null, claimed_until = null,
      not_before = coalesce(${retryAt}::bigint, o.not_before),
      state = case
        when ${result.state} = 'intended' and o.kind = 'launch' and l.state not in ('wanted', 'starting') then 'failed'
        else ${result.state}
      end
    from leases l
    where l.id = o.lease and o.id = ${id} and o.claimed_by = ${holder} and o.tries = ${tries} and o.state = 'intended' returning o.id
  `.execute(on)
  return rows.length > 0
}
