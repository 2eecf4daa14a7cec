import { sql } from 'kysely'

import type { Ids } from '#kit/ids.ts'
import type { Change } from '#model/change.ts'
import type { Preemption } from '#model/preemption.ts'
import type { Executor } from '#store/database.ts'
import { apply } from './apply.ts'

/** Somebody for whom others are to leave, or that is to leave itself; and what those are told who do. */
export type Preempting = { workload: string; reason: string; leases: string[]; isMove: boolean }

export type Victim = { lease: string; attempt: string; site: string; state: 'wanted' | 'starting' | 'held' }

/**
 * Stops the attempts that are to leave for somebody: all of them, or none where one of them is no longer there, for then
 * others may have to leave. They are retired like attempts that are stopped, and their replicas wait again. Returns the
 * workloads for which nobody leaves.
 */
export async function preempt(
  on: Executor,
  preempting: Preempting[],
  { now, ids }: { now: number; ids: Ids },
): Promise<Set<string>> {
  const vain = new Set(preempting.map(({ workload }) => workload))
  if (preempting.length === 0) return vain
  const { rows } = await sql<Victim>`
    select l.id as lease, a.id as attempt, l.provider || '/' || l.site as site, l.state
    from leases l join attempts a on a.id = l.attempt
    where l.id = any(${preempting.flatMap(({ leases }) => leases)}::text[])
      and l.state in ('wanted', 'starting', 'held') and a.state in ('starting', 'running')
  `.execute(on)
  const there = new Map(rows.map((victim) => [victim.lease, victim]))
  for (const { workload, reason, leases, isMove } of preempting) {
    const victims = leases.flatMap((lease) => there.get(lease) ?? [])
    if (victims.length < leases.length) continue
    vain.delete(workload)
    for (const lease of leases) there.delete(lease)
    await apply(
      on,
      victims.flatMap((victim) => leave(victim, reason)),
      { now, ids },
    )
    await sql`
      update attempts set preempted_for = ${workload}, preempted_at = ${now}::bigint, moved = ${isMove}
      where id = any(${victims.map(({ attempt }) => attempt)}::text[])
    `.execute(on)
  }
  return vain
}

export const leave = ({ lease, attempt, site }: Victim, reason: string): Change[] => [
  { change: 'attempt', id: attempt, to: 'stopping', reason },
  { change: 'attempt-ready', id: attempt, ready: false },
  { change: 'lease', id: lease, to: 'stopping' },
  { change: 'retire', lease, site },
]

/** So long it counts how often work of a project was preempted. */
export const hourMs = 3_600_000

/** Who was preempted for whom in the last hour, or both of whom are still to end. */
export async function readPreemptions(on: Executor, now: number): Promise<Preemption[]> {
  const { rows } = await sql<Preemption>`
    select v.id as victim, v.project, a.preempted_for as by, a.preempted_at as at, a.moved as "isMove"
    from attempts a join workloads v on v.id = a.workload where a.preempted_at > ${now - hourMs}::bigint
    union all
    -- Apart, and from those that are still to end: all that were ever preempted are many.
    select v.id, v.project, a.preempted_for, a.preempted_at, a.moved
    from workloads v join attempts a on a.workload = v.id join workloads b on b.id = a.preempted_for
    where v.ended_at is null and b.ended_at is null and a.preempted_at <= ${now - hourMs}::bigint
    order by at, victim
  `.execute(on)
  return rows
}
