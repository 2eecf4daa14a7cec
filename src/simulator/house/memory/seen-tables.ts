import { keyOf, spentKey, type Table as SeenTable, type Tables as Seen } from '#simulator/house/invariants/tables.ts'
import { attemptOf, leaseOf, operationOf, rankOf, replicaOf, workloadOf } from './rows.ts'
import type { Table } from './table.ts'
import type { Tables } from './tables.ts'

/**
 * The rows of a store in memory as invariants read them, always the same maps: a row that was written is another object
 * from the next look on. A look costs what was written since the one before.
 */
export function createSeenTables(tables: Tables): () => Seen {
  const work = createSeenWork(tables)
  const money = createSeenMoney(tables)
  return () => ({
    workloads: work.workloads(),
    replicas: work.replicas(),
    attempts: work.attempts(),
    leases: work.leases(),
    ranks: work.ranks(),
    operations: work.operations(),
    tasks: work.tasks(),
    entries: money.entries(),
    spent: money.spent(),
    sites: money.sites(),
    projects: money.projects(),
    claims: money.claims(),
    counts: {
      events: tables.events.size,
      plans: tables.plans.size,
      idempotency: tables.idempotency.size,
      control_planes: tables.planes.size,
    },
  })
}

const idOf = ({ id }: { id: string }): string => id
const nameOf = ({ name }: { name: string }): string => name
const copy = <Row extends object>(row: Row): Row => ({ ...row })

const createSeenWork = ({ workloads, replicas, attempts, leases, ranks, operations, tasks }: Tables) => ({
  workloads: follow(workloads, idOf, (row) => ({
    ...workloadOf(row),
    refusal: row.refusal,
    dueAt: row.dueAt,
    tasksLeased: row.tasksLeased,
    tasksSucceeded: row.tasksSucceeded,
    tasksFailed: row.tasksFailed,
  })),
  replicas: follow(replicas, ({ workload, replica }) => keyOf(workload, replica), replicaOf),
  attempts: follow(attempts, idOf, (row) => ({ ...attemptOf(row), preemptedFor: row.preemptedFor })),
  leases: follow(leases, idOf, (row) => ({
    ...leaseOf(row),
    shape: row.shape,
    graceMs: row.graceMs,
    beside: row.beside,
  })),
  ranks: follow(ranks, ({ lease, rank }) => keyOf(lease, rank), rankOf),
  operations: follow(operations, idOf, operationOf),
  tasks: follow(
    tasks,
    ({ workload, index }) => keyOf(workload, index),
    ({ workload, index, state, attempt, exitCode }) => ({ workload, index, state, attempt, exitCode }),
  ),
})

const createSeenMoney = ({ entries, spent, sites, projects, claims }: Tables) => ({
  entries: follow(entries, ({ lease, from }) => keyOf(lease, from), copy),
  spent: follow(spent, ({ kind, name }) => spentKey(kind, name), copy),
  sites: follow(
    sites,
    ({ key }) => key,
    ({ key, reach, since, detail, offers, nodes, site }) => {
      return { site: key, reach, since, detail, offers, nodes, info: site }
    },
  ),
  projects: follow(projects, nameOf, copy),
  claims: follow(claims, nameOf, ({ name, holder, epoch }) => ({ name, holder, epoch })),
})

function follow<Row extends object, Shown>(
  table: Table<Row>,
  keyOfRow: (row: Row) => string,
  shown: (row: Row) => Shown,
): () => SeenTable<Shown> {
  const touched: string[] = []
  const all = Object.assign(new Map<string, Shown>(), { touched })
  const changed = new Set<Row>(table.all())
  table.onChange((row) => changed.add(row))
  return () => {
    for (const row of changed) {
      const now = table.present(row)
      const key = keyOfRow(row)
      touched.push(key)
      if (now) all.set(key, shown(now))
      else all.delete(key)
    }
    changed.clear()
    return all
  }
}
