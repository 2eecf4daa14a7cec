import { occupyingStates, type Lease } from '#model/lease.ts'
import type { Attempt } from '#model/attempt.ts'
import { createBills } from './bills.ts'
import type * as Rows from './rows.ts'
import { Index, type Journal, Table } from './table.ts'

/** The key of an index that has one list for all. */
export const all = ''

export const isLive = ({ state }: Pick<Attempt, 'state'>): boolean =>
  state === 'starting' || state === 'running' || state === 'stopping'

export const isOccupying = ({ state }: Pick<Lease, 'state'>): boolean => occupyingStates.some((one) => one === state)

/** Whether its provider has nothing of it any more, nor ever had. */
export const isOver = ({ state }: Pick<Lease, 'state'>): boolean => state === 'gone' || state === 'refused'

/** Whether a lease has time that is not in the ledger yet. */
export const isOwed = ({ startedAt, endedAt, meteredUntil }: Rows.LeaseRow): boolean =>
  startedAt !== null && (endedAt === null || (meteredUntil !== null && meteredUntil < endedAt))

/** When the next entry of a lease is due. */
const dueAt = ({ startedAt, meteredUntil }: Rows.LeaseRow): number => {
  const metered = meteredUntil ?? 0
  return metered + Math.min(600_000, Math.max(10_000, Math.trunc((metered - (startedAt ?? 0)) / 4)))
}

export const isEnded = ({ state }: { state: string }): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'stopped'

export const siteOf = ({ provider, site }: { provider: string; site: string }): string => `${provider}/${site}`

/** All tables, each with the indexes by which it is read. */
export type Tables = ReturnType<typeof createTables>

export function createTables(journal: Journal) {
  const { workloads, ...ofWorkloads } = workloadTable(journal)
  const { replicas, ...ofReplicas } = replicaTable(journal)
  const { attempts, ...ofAttempts } = attemptTable(journal)
  const { leases, ...ofLeases } = leaseTable(journal)
  const { tasks, ...ofTasks } = taskTable(journal)
  const { operations, ...ofOperations } = operationTable(journal)
  return {
    journal,
    workloads: Object.assign(workloads, ofWorkloads),
    replicas: Object.assign(replicas, ofReplicas),
    attempts: Object.assign(attempts, ofAttempts),
    leases: Object.assign(leases, ofLeases),
    tasks: Object.assign(tasks, ofTasks),
    operations: Object.assign(operations, ofOperations),
    ...smallTables(journal),
  }
}

function workloadTable(journal: Journal) {
  type Row = Rows.WorkloadRow
  const newest = [(row: Row) => row.createdAt, (row: Row) => row.id]
  const indexes = {
    byName: new Index<Row>([], (row) => `${row.project} ${row.name}`, newest),
    liveByName: new Index<Row>(
      ['endedAt'],
      (row) => (row.endedAt === null ? `${row.project} ${row.name}` : null),
      newest,
    ),
    byAge: new Index<Row>([], () => all, newest),
    byProject: new Index<Row>([], (row) => row.project, newest),
    active: new Index<Row>(['state'], (row) => (isEnded(row) ? null : all), newest),
    due: new Index<Row>(['dueAt'], (row) => (row.dueAt === null ? null : all), [
      (row) => row.dueAt ?? 0,
      (row) => row.id,
    ]),
    ended: new Index<Row>(['endedAt'], (row) => (row.endedAt === null ? null : all), [
      (row) => row.endedAt ?? 0,
      (row) => row.id,
    ]),
    services: new Index<Row>(['endedAt'], (row) => (row.kind === 'service' && row.endedAt === null ? all : null), [
      (row) => row.project,
      (row) => row.name,
      (row) => row.id,
    ]),
    bundles: new Index<Row>(['endedAt'], (row) => (row.endedAt === null ? row.bundle : null), [(row) => row.id]),
  }
  return { workloads: new Table<Row>(journal, (row) => row.id, Object.values(indexes)), ...indexes }
}

/** The key of a replica. */
export const replicaKey = ({ workload, replica }: { workload: string; replica: number }): string =>
  `${workload} ${replica}`

function replicaTable(journal: Journal) {
  type Row = Rows.ReplicaRow
  const waits = ({ state }: Row) => state === 'waiting'
  const isFree = ({ avoid }: Row) => Object.keys(avoid).length === 0
  const place = [(row: Row) => row.workload, (row: Row) => row.replica]
  const line = [(row: Row) => row.createdAt, ...place]
  const queue = [(row: Row) => -row.priority, ...line]
  const indexes = {
    byWorkload: new Index<Row>([], (row) => row.workload, [(row) => row.replica]),
    waiting: new Index<Row>(['state', 'priority'], (row) => (waits(row) ? all : null), queue),
    inTurn: new Index<Row>(['state'], (row) => (waits(row) ? all : null), place),
    line: new Index<Row>(['state', 'need', 'avoid'], (row) => (waits(row) && isFree(row) ? row.need : null), line),
    avoiding: new Index<Row>(['state', 'avoid'], (row) => (waits(row) && !isFree(row) ? all : null), line),
    untold: new Index<Row>(['state', 'told', 'priority'], (row) => (waits(row) && !row.told ? all : null), queue),
    promised: new Index<Row>(
      ['state', 'promised', 'priority'],
      (row) => (waits(row) && row.promised ? all : null),
      queue,
    ),
    later: new Index<Row>(['state', 'notBefore'], (row) => (waits(row) && row.notBefore > 0 ? all : null), [
      (row) => row.notBefore,
      ...place,
    ]),
    keeping: new Index<Row>(['state', 'kept'], (row) => (waits(row) && row.kept !== null ? all : null), place),
  }
  return { replicas: new Table<Row>(journal, replicaKey, Object.values(indexes)), ...indexes }
}

function attemptTable(journal: Journal) {
  type Row = Rows.AttemptRow
  const number = [(row: Row) => row.number]
  const indexes = {
    byWorkload: new Index<Row>([], (row) => row.workload, number),
    live: new Index<Row>(['state'], (row) => (isLive(row) ? row.workload : null), number),
    ended: new Index<Row>(['endedAt'], (row) => (row.endedAt === null ? null : all), [
      (row) => row.endedAt ?? 0,
      (row) => row.id,
    ]),
    preempted: new Index<Row>(['preemptedAt'], (row) => (row.preemptedAt === null ? null : all), [
      (row) => row.preemptedAt ?? 0,
      (row) => row.id,
    ]),
    preemptedOf: new Index<Row>(['preemptedAt'], (row) => (row.preemptedAt === null ? null : row.workload), number),
  }
  return { attempts: new Table<Row>(journal, (row) => row.id, Object.values(indexes)), ...indexes }
}

function leaseTable(journal: Journal) {
  type Row = Rows.LeaseRow
  const age = [(row: Row) => row.createdAt, (row: Row) => row.id]
  const id = [(row: Row) => row.id]
  const owed = ['startedAt', 'endedAt', 'meteredUntil'] as const
  const ends = [(row: Row) => row.endedAt ?? Infinity, (row: Row) => row.id]
  const indexes = {
    byAttempt: new Index<Row>([], (row) => row.attempt, age),
    byWorkload: new Index<Row>([], (row) => row.workload, age),
    open: new Index<Row>(['state'], (row) => (isOver(row) ? null : row.workload), age),
    openAt: new Index<Row>(['state'], (row) => (isOver(row) ? null : siteOf(row)), id),
    occupying: new Index<Row>(['state'], (row) => (isOccupying(row) ? all : null), id),
    unmetered: new Index<Row>(owed, (row) => (isOwed(row) ? all : null), [
      (row) => (row.endedAt === null ? 1 : 0),
      dueAt,
      (row) => row.id,
    ]),
    owedOfProject: new Index<Row>(owed, (row) => (isOwed(row) ? row.project : null), id),
    owedOfWorkload: new Index<Row>(owed, (row) => (isOwed(row) ? row.workload : null), id),
    started: new Index<Row>(['startedAt'], (row) => (row.startedAt === null ? null : all), [
      (row) => row.startedAt ?? 0,
      (row) => row.id,
    ]),
    used: new Index<Row>(['startedAt', 'endedAt'], (row) => (row.startedAt === null ? null : all), ends),
    spotSeen: new Index<Row>(['endedAt'], (row) => (row.tier === 'spot' ? all : null), ends),
    spot: new Index<Row>(
      ['startedAt', 'endedAt'],
      (row) => (row.startedAt !== null && row.tier === 'spot' ? siteOf(row) : null),
      ends,
    ),
  }
  return { leases: new Table<Row>(journal, (row) => row.id, Object.values(indexes)), ...indexes }
}

export const taskKey = ({ workload, index }: { workload: string; index: number }): string => `${workload} ${index}`

function taskTable(journal: Journal) {
  type Row = Rows.TaskRow
  const index = [(row: Row) => row.index]
  const indexes = {
    byWorkload: new Index<Row>([], (row) => row.workload, index),
    waiting: new Index<Row>(['state'], (row) => (row.state === 'waiting' ? row.workload : null), index),
    failed: new Index<Row>(['state'], (row) => (row.state === 'failed' ? row.workload : null), index),
    leased: new Index<Row>(
      ['state', 'attempt'],
      (row) => (row.state === 'leased' ? `${row.workload} ${row.attempt}` : null),
      index,
    ),
  }
  return { tasks: new Table<Row>(journal, taskKey, Object.values(indexes)), ...indexes }
}

function operationTable(journal: Journal) {
  type Row = Rows.OperationRow
  const due = [(row: Row) => row.notBefore, (row: Row) => row.id]
  const indexes = {
    byLease: new Index<Row>([], (row) => row.lease, [(row) => row.kind]),
    open: new Index<Row>(['state', 'notBefore'], (row) => (row.state === 'intended' ? row.kind : null), due),
    openAt: new Index<Row>(['state', 'notBefore'], (row) => (row.state === 'intended' ? row.site : null), due),
  }
  return { operations: new Table<Row>(journal, (row) => row.id, Object.values(indexes)), ...indexes }
}

const idOf = ({ id }: { id: string }): string => id
export const rankKey = ({ lease, rank }: { lease: string; rank: number }): string => `${lease} ${rank}`
export const spentKey = ({ kind, name }: { kind: string; name: string }): string => `${kind}/${name}`
export const entryKey = ({ lease, from }: { lease: string; from: number }): string => `${lease} ${from}`

function smallTables(journal: Journal) {
  const ranksOf = new Index<Rows.RankRow>([], (row) => row.lease, [(row) => row.rank])
  const plansOf = new Index<Rows.PlanRow>([], (row) => row.workload, [(row) => row.createdAt, (row) => row.id])
  const unapplied = new Index<Rows.PlanRow>([], (row) => (row.workload === null ? all : null), [
    (row) => row.createdAt,
    (row) => row.id,
  ])
  const byKey = new Index<Rows.SiteRow>([], () => all, [(row) => row.key])
  const seq = [
    (row: Rows.EventRow) => row.generation,
    (row: Rows.EventRow) => row.txid,
    (row: Rows.EventRow) => row.seq,
  ]
  const inOrder = new Index<Rows.EventRow>([], () => all, seq)
  const eventsOf = new Index<Rows.EventRow>([], (row) => row.workload, seq)
  const byAge = new Index<Rows.EventRow>([], () => all, [(row) => row.at, (row) => row.seq])
  const answers = new Index<Rows.IdempotencyRow>(['createdAt'], () => all, [(row) => row.createdAt, (row) => row.key])
  const secretsOf = new Index<Rows.SecretRow>([], (row) => row.project, [(row) => row.name])
  const named = new Index<Rows.ProjectRow>([], () => all, [(row) => row.name])
  const held = new Index<Rows.ClaimRow>(['holder'], (row) => row.holder, [(row) => row.name])
  const bills = createBills()
  return {
    ranks: Object.assign(new Table<Rows.RankRow>(journal, rankKey, [ranksOf]), { byLease: ranksOf }),
    plans: Object.assign(new Table<Rows.PlanRow>(journal, idOf, [plansOf, unapplied]), {
      byWorkload: plansOf,
      unapplied,
    }),
    sites: Object.assign(new Table<Rows.SiteRow>(journal, (row) => row.key, [byKey]), { byKey }),
    entries: Object.assign(new Table<Rows.EntryRow>(journal, entryKey, [bills]), { bills }),
    spent: new Table<Rows.SpentRow>(journal, spentKey, []),
    events: Object.assign(new Table<Rows.EventRow>(journal, (row) => String(row.seq), [inOrder, eventsOf, byAge]), {
      inOrder,
      byWorkload: eventsOf,
      byAge,
    }),
    secrets: Object.assign(new Table<Rows.SecretRow>(journal, (row) => `${row.project} ${row.name}`, [secretsOf]), {
      byProject: secretsOf,
    }),
    idempotency: Object.assign(new Table<Rows.IdempotencyRow>(journal, (row) => row.key, [answers]), {
      byAge: answers,
    }),
    projects: Object.assign(new Table<Rows.ProjectRow>(journal, (row) => row.name, [named]), { byName: named }),
    claims: Object.assign(new Table<Rows.ClaimRow>(journal, (row) => row.name, [held]), { byHolder: held }),
    planes: new Table<Rows.PlaneRow>(journal, idOf, []),
    house: new Table<Rows.HouseRow>(journal, () => 'house', []),
  }
}
