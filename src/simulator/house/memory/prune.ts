import { attemptBatch, batch, kept } from '#store/queries/prune.ts'
import type { Memory } from './memory.ts'
import type { AttemptRow, LeaseRow, WorkloadRow } from './rows.ts'
import type { Index, Table } from './table.ts'
import { all, isOver, spentKey } from './tables.ts'

/** Deletes a batch of each kind of row that is kept for a time only. Says whether more is left. */
export function prune(memory: Memory, { now, endedMs }: { now: number; endedMs: number }): boolean {
  const { idempotency, plans, events } = memory
  const newest = events.inOrder.get(all).at(-1)?.seq ?? 0
  const full = [
    drop(
      idempotency,
      first(idempotency.byAge, ({ createdAt }) => createdAt < now - kept.answersMs),
    ),
    drop(
      plans,
      first(plans.unapplied, ({ createdAt }) => createdAt < now - kept.plansMs),
    ),
    drop(
      events,
      first(events.byAge, ({ at }) => at < now - kept.eventsMs),
    ),
    drop(
      events,
      first(events.inOrder, ({ seq }) => seq <= newest - kept.events),
    ),
    drop(memory.tasks, endedTasks(memory, now - endedMs)),
    dropAttempts(memory, now - endedMs),
  ]
  return full.includes(true)
}

/** Of an index those at its beginning, no more than one call deletes. */
function first<Row>(index: Index<Row>, isOld: (row: Row) => boolean): Row[] {
  const rows = index.get(all)
  const found: Row[] = []
  for (const row of rows) {
    if (found.length === batch || !isOld(row)) break
    found.push(row)
  }
  return found
}

function drop<Row extends object>(table: Table<Row>, rows: readonly Row[]): boolean {
  table.removeAll(rows)
  return rows.length === batch
}

function endedTasks({ workloads, tasks }: Memory, before: number) {
  const found = []
  for (const { id, kind, endedAt } of workloads.ended.get(all)) {
    if (found.length === batch || (endedAt ?? 0) >= before) break
    if (kind === 'array') found.push(...tasks.byWorkload.get(id).slice(0, batch - found.length))
  }
  return found
}

/** Not while anything of one is held, or to bill. */
function dropAttempts(memory: Memory, before: number): boolean {
  const { attempts, leases, plans } = memory
  const found: AttemptRow[] = []
  for (const attempt of attempts.ended.get(all)) {
    if (found.length === attemptBatch || (attempt.endedAt ?? 0) >= before) break
    if (!leases.byAttempt.get(attempt.id).some(isNeeded)) found.push(attempt)
  }
  for (const attempt of found) {
    removeAttempt(memory, attempt)
    const plan = plans.get(attempt.plan)
    if (plan) plans.remove(plan)
  }
  return found.length === attemptBatch
}

const isNeeded = (lease: LeaseRow): boolean =>
  !isOver(lease) || (lease.meteredUntil !== null && lease.endedAt !== null && lease.meteredUntil < lease.endedAt)

/** With all that belongs to it. */
function removeAttempt({ attempts, leases, ranks, operations }: Memory, attempt: AttemptRow): void {
  for (const lease of leases.byAttempt.get(attempt.id).slice()) {
    ranks.removeAll(ranks.byLease.get(lease.id))
    operations.removeAll(operations.byLease.get(lease.id))
    leases.remove(lease)
  }
  attempts.remove(attempt)
}

/** Workloads that ended before, of which nothing but the row is left. */
export function expired(
  { workloads, attempts, tasks }: Memory,
  { before, most }: { before: number; most: number },
): string[] {
  const found: string[] = []
  for (const { id, endedAt } of workloads.ended.get(all)) {
    if (found.length === most || (endedAt ?? 0) >= before) break
    if (attempts.byWorkload.get(id).length === 0 && tasks.byWorkload.get(id).length === 0) found.push(id)
  }
  return found
}

export function forget(memory: Memory, ids: readonly string[]): void {
  const { workloads, spent } = memory
  for (const id of ids) {
    const row = workloads.get(id)
    if (row && row.endedAt !== null) removeWorkload(memory, row)
    const its = spent.get(spentKey({ kind: 'workload', name: id }))
    if (its) spent.remove(its)
  }
}

function removeWorkload(memory: Memory, row: WorkloadRow): void {
  const { workloads, replicas, plans, attempts, tasks } = memory
  replicas.removeAll(replicas.byWorkload.get(row.id))
  plans.removeAll(plans.byWorkload.get(row.id))
  for (const attempt of attempts.byWorkload.get(row.id).slice()) removeAttempt(memory, attempt)
  tasks.removeAll(tasks.byWorkload.get(row.id))
  workloads.remove(row)
}
