import { sql } from 'kysely'

import type { Attempt } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { Operation } from '#model/operation.ts'
import type { Replica } from '#model/replica.ts'
import type { Workload } from '#model/workload.ts'
import type { Database, Executor } from '#store/database.ts'
import type { ClaimedOperation, OperationResult, Operations } from '#store/store.ts'
import { attemptColumns, leaseColumns, operationColumns, replicaColumns, workloadColumns } from './columns.ts'

/** Applies changes within a transaction, as `apply` does. */
type ApplyWithin = (on: Executor, changes: Change[]) => Promise<number>

export const createOperations = (database: Database, applyWithin: ApplyWithin): Operations => ({
  async claim(options) {
    const operations = await database.claim((on) => claim(on, options))
    return operations.length === 0 ? [] : database.readAtOnce((on) => withRows(on, operations))
  },
  settle: (claimed, result, changes) =>
    database.write(async (on) => {
      if (!(await settle(on, { ...claimed, result }))) return false
      await applyWithin(on, changes)
      return true
    }),
})

async function claim(on: Executor, options: Parameters<Operations['claim']>[0]): Promise<Operation[]> {
  const { kind, holder, now, most, seconds } = options
  const { rows } = await sql<Operation>`
    update operations o set claimed_by = ${holder}, tries = o.tries + 1,
      claimed_until = clock_timestamp() + make_interval(secs => ${seconds})
    where o.id in (
      select p.id from operations p join leases l on l.id = p.lease
      where p.kind = ${kind} and p.state = 'intended' and p.not_before <= ${now}::bigint
        and (p.claimed_until is null or p.claimed_until < clock_timestamp())
        and ${kind === 'launch' ? launchable : retirable}
      order by p.not_before, p.id limit ${most} for no key update of p skip locked
    ) returning ${operationColumns('o')}
  `.execute(on)
  return rows
}

const launchable = sql`l.state in ('wanted', 'starting')`

/** Not while a launch of it is under way: what that still creates would outlive the retirement. */
const retirable = sql`not exists (
  select 1 from operations q where q.lease = p.lease and q.kind = 'launch' and q.state = 'intended'
    and q.claimed_until >= clock_timestamp()
)`

async function withRows(on: Executor, operations: Operation[]): Promise<ClaimedOperation[]> {
  const ids = operations.map(({ lease }) => lease)
  const leases = await sql<ClaimedOperation['leaseRow']>`
    select ${leaseColumns('l')}, l.grace_ms as "graceMs", l.shape from leases l where l.id = any(${ids}::text[])
  `.execute(on)
  const attempts = await sql<Attempt>`
    select ${attemptColumns('a')} from attempts a
    where a.id = any(${leases.rows.map(({ attempt }) => attempt)}::text[])
  `.execute(on)
  const workloads = await sql<Workload>`
    select ${workloadColumns('w')} from workloads w
    where w.id = any(${leases.rows.map(({ workload }) => workload)}::text[])
  `.execute(on)
  const replicas = await sql<Replica>`
    select ${replicaColumns('r')} from replicas r join attempts a on a.workload = r.workload and a.replica = r.replica
    where a.id = any(${leases.rows.map(({ attempt }) => attempt)}::text[])
  `.execute(on)
  const leaseOf = new Map(leases.rows.map((row) => [row.id, row]))
  const attemptOf = new Map(attempts.rows.map((row) => [row.id, row]))
  const workloadOf = new Map(workloads.rows.map((row) => [row.id, row]))
  const replicaOf = new Map(replicas.rows.map((row) => [`${row.workload} ${row.replica}`, row]))
  return operations.flatMap((operation) => {
    const leaseRow = leaseOf.get(operation.lease)
    const attempt = attemptOf.get(leaseRow?.attempt ?? '')
    const workload = workloadOf.get(leaseRow?.workload ?? '')
    const replica = replicaOf.get(`${attempt?.workload} ${attempt?.replica}`)
    return leaseRow && attempt && workload && replica ? [{ ...operation, leaseRow, attempt, workload, replica }] : []
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
