import { sql } from 'kysely'

import { shellCode } from '#kit/exit-code.ts'
import type { AgentReport } from '#model/agent-protocol.ts'
import type { AttemptState } from '#model/attempt.ts'
import type { Spec } from '#model/spec/spec.ts'
import type { Wants } from '#model/workload.ts'
import type { Executor } from '#store/database.ts'
import { dueWithNews } from './news-due.ts'
import { nudge } from './nudge.ts'

type TaskReport = NonNullable<AgentReport['tasks']>
type Exchange = { lease: string; report: TaskReport; now: number }

/** The array that a worker works on, locked: the counters on its row are exact. */
type LockedArray = {
  id: string
  spec: Spec
  wants: Wants
  attempt: number
  attemptState: AttemptState
  nextTask: number
  leased: number
  succeeded: number
  failed: number
}

/**
 * Takes what a worker says of its tasks and gives it more. A report may come twice, late, or have been answered without
 * the worker hearing it: each end counts once, and what was leased unheard is told again.
 */
export async function exchangeTasks(
  on: Executor,
  { lease, report, now }: Exchange,
): Promise<{ leased: number[]; over: boolean }> {
  const array = await lockArray(on, lease)
  if (!array || array.spec.kind !== 'array') return { leased: [], over: true }
  const works = ['starting', 'running', 'stopping'].includes(array.attemptState)
  // A fenced attempt has nothing to say: its tasks belong to others by now.
  if (!works) return { leased: [], over: true }
  const changed = await endTasks(on, array, report)
  const unheard = await unheardTasks(on, array, report)
  const room = array.attemptState !== 'stopping' && array.wants === 'run' ? report.wanted - unheard.length : 0
  const fresh = room > 0 ? await leaseTasks(on, array, room) : []
  if (changed || fresh.length > 0) await keepCounters(on, array, now)
  const { tasks } = array.spec
  return { leased: [...unheard, ...fresh], over: array.succeeded + array.failed + array.leased >= tasks }
}

async function lockArray(on: Executor, lease: string): Promise<LockedArray | undefined> {
  const { rows } = await sql<LockedArray>`
    select w.id, w.spec, w.wants, a.number as attempt, a.state as "attemptState", w.next_task as "nextTask",
      w.tasks_leased as leased, w.tasks_succeeded as succeeded, w.tasks_failed as failed
    from leases l join attempts a on a.id = l.attempt join workloads w on w.id = l.workload
    where l.id = ${lease} for no key update of w
  `.execute(on)
  return rows[0]
}

async function endTasks(on: Executor, array: LockedArray, report: TaskReport): Promise<boolean> {
  if (report.ended.length === 0) return false
  const { onExit, times } = array.spec.retry
  const ends = report.ended.map(({ index, exit, startedAt, endedAt }) => ({
    index,
    code: shellCode(exit),
    startedAt,
    endedAt,
  }))
  // An attempt on its way down kills its tasks: only what succeeded all the same counts. A start that was told already
  // is a repeated report of an earlier try.
  const { rows } = await sql<{ state: string; count: number }>`
    with ended as (
      update tasks t set exit_code = x.code, started_at = x."startedAt", ended_at = x."endedAt", tries = t.tries + 1,
        state = case
          when x.code = 0 then 'succeeded'
          when ${array.attemptState === 'stopping'} or (x.code = any(${onExit}::int[]) and t.tries < ${times}) then 'waiting'
          else 'failed'
        end,
        attempt = case when x.code = 0 then t.attempt end
      from json_to_recordset(${JSON.stringify(ends)}::json) as x (index bigint, code int, "startedAt" bigint, "endedAt" bigint)
      where t.workload = ${array.id} and t.index = x.index and t.state = 'leased' and t.attempt = ${array.attempt}
        and t.started_at is distinct from x."startedAt"
      returning t.state
    )
    select state, count(*) as count from ended group by state
  `.execute(on)
  for (const { state, count } of rows) {
    array.leased -= count
    if (state === 'succeeded') array.succeeded += count
    if (state === 'failed') array.failed += count
  }
  return rows.length > 0
}

/** Leased to this attempt in an answer that it never got. */
async function unheardTasks(on: Executor, array: LockedArray, report: TaskReport): Promise<number[]> {
  const { rows } = await sql<{ index: number }>`
    select index from tasks where workload = ${array.id} and attempt = ${array.attempt} and state = 'leased'
      and index <> all(${report.held}::bigint[]) order by index
  `.execute(on)
  return rows.map(({ index }) => index)
}

/** Those that wait again first, then the next that were never leased. */
async function leaseTasks(on: Executor, array: LockedArray, room: number): Promise<number[]> {
  const { rows: again } = await sql<{ index: number }>`
    update tasks set state = 'leased', attempt = ${array.attempt}
    where workload = ${array.id} and index in (
      select index from tasks where workload = ${array.id} and state = 'waiting' order by index limit ${room}
    ) returning index
  `.execute(on)
  const total = array.spec.kind === 'array' ? array.spec.tasks : 0
  const first = array.nextTask
  const last = Math.min(total, first + room - again.length) - 1
  if (last >= first)
    await sql`
      insert into tasks (workload, index, state, attempt)
      select ${array.id}, i, 'leased', ${array.attempt} from generate_series(${first}::bigint, ${last}::bigint) i
    `.execute(on)
  const fresh = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
  array.nextTask += fresh.length
  array.leased += again.length + fresh.length
  return [...again.map(({ index }) => index).sort((a, b) => a - b), ...fresh]
}

async function keepCounters(on: Executor, array: LockedArray, now: number): Promise<void> {
  const over = array.succeeded + array.failed === (array.spec.kind === 'array' ? array.spec.tasks : 0)
  await sql`
    update workloads w set next_task = ${array.nextTask}, tasks_leased = ${array.leased},
      tasks_succeeded = ${array.succeeded}, tasks_failed = ${array.failed},
      due_at = case when ${over} then ${dueWithNews(now)} else w.due_at end
    where w.id = ${array.id}
  `.execute(on)
  if (over) await nudge(on, ['follow'])
}
