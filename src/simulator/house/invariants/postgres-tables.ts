import { type RawBuilder, sql } from 'kysely'

import type { Database, Executor } from '#store/database.ts'
import {
  attemptColumns,
  leaseColumns,
  operationColumns,
  rankColumns,
  replicaColumns,
  workloadColumns,
} from '#store/queries/columns.ts'
import { listProjects } from '#store/queries/projects.ts'
import { listSites } from '#store/queries/sites.ts'
import { type ClaimRow, keyOf, spentKey, type SpentRow, type Table, type Tables } from './tables.ts'
import type { Entry } from '#model/entry.ts'
import type { Operation } from '#model/operation.ts'
import type { Rank } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { AttemptRow, LeaseRow, TaskRow, WorkloadRow } from './tables.ts'

/** Reads the tables of a PostgreSQL at one instant. It takes milliseconds, unlike a store in memory. */
export const readTables = (database: Database): Promise<Tables> => database.readAtOnce(tablesOf)

async function tablesOf(on: Executor): Promise<Tables> {
  const rows = async <Row>(query: RawBuilder<Row>): Promise<Row[]> => (await query.execute(on)).rows
  const byId = <Row extends { id: string }>(all: Row[]) => keyed(all, ({ id }) => id)
  const sites = await listSites(on)
  return {
    workloads: byId(
      await rows(sql<WorkloadRow>`select ${workloadColumns('w')}, w.refusal, w.due_at as "dueAt",
        w.tasks_leased as "tasksLeased", w.tasks_succeeded as "tasksSucceeded", w.tasks_failed as "tasksFailed"
      from workloads w`),
    ),
    replicas: keyed(await rows(sql<Replica>`select ${replicaColumns('r')} from replicas r`), ({ workload, replica }) =>
      keyOf(workload, replica),
    ),
    attempts: byId(
      await rows(sql<AttemptRow>`select ${attemptColumns('a')}, a.preempted_for as "preemptedFor" from attempts a`),
    ),
    leases: byId(
      await rows(sql<LeaseRow>`select ${leaseColumns('l')}, l.shape, l.grace_ms as "graceMs", l.beside from leases l`),
    ),
    ranks: keyed(await rows(sql<Rank>`select ${rankColumns('r')} from ranks r`), ({ lease, rank }) =>
      keyOf(lease, rank),
    ),
    operations: byId(await rows(sql<Operation>`select ${operationColumns('o')} from operations o`)),
    tasks: keyed(
      await rows(sql<TaskRow>`select workload, index, state, attempt, exit_code as "exitCode" from tasks`),
      ({ workload, index }) => keyOf(workload, index),
    ),
    entries: keyed(await rows(sql<Entry>`select ${entryColumns} from entries e`), ({ lease, from }) =>
      keyOf(lease, from),
    ),
    spent: keyed(
      await rows(sql<SpentRow>`select kind, name, amount_micros as "amountMicros" from spent`),
      ({ kind, name }) => spentKey(kind, name),
    ),
    sites: keyed(sites, ({ site }) => site),
    projects: keyed(await listProjects(on), ({ name }) => name),
    claims: keyed(await rows(sql<ClaimRow>`select name, holder, epoch from claims`), ({ name }) => name),
    counts: await counted(on),
  }
}

const entryColumns = sql`
  e.lease, e.workload, e.project, e.provider, e.site, e.tier, e.from_ms as "from", e.to_ms as "to",
  e.amount_micros as "amountMicros"
`

const keyed = <Row>(rows: Row[], key: (row: Row) => string): Table<Row> => new Map(rows.map((row) => [key(row), row]))

async function counted(on: Executor): Promise<Tables['counts']> {
  const { rows } = await sql<Tables['counts']>`
    select (select count(*)::int from events) as events, (select count(*)::int from plans) as plans,
      (select count(*)::int from idempotency) as idempotency,
      (select count(*)::int from control_planes) as control_planes
  `.execute(on)
  const [row] = rows
  if (!row) throw new Error('a select of counts gave no row')
  return row
}
