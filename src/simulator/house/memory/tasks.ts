import { shellCode } from '#kit/exit-code.ts'
import type { AgentReport } from '#model/agent-protocol.ts'
import type { ArraySpec } from '#model/spec/spec.ts'
import type { Agents } from '#store/store.ts'
import type { Memory } from './memory.ts'
import { dueWithNews } from './news-due.ts'
import type { AttemptRow, TaskRow, WorkloadRow } from './rows.ts'
import { isLive, taskKey } from './tables.ts'

type Report = NonNullable<AgentReport['tasks']>
type Exchange = { lease: string; report: Report; now: number }
type Working = { row: WorkloadRow; spec: ArraySpec; attempt: AttemptRow }

/** Takes what a worker says of its tasks and gives it more, as the query of the same name does. */
export function exchangeTasks(memory: Memory, { lease, report, now }: Exchange): Awaited<ReturnType<Agents['tasks']>> {
  const { leases, attempts, workloads, tasks } = memory
  const found = leases.get(lease)
  const attempt = attempts.get(found?.attempt ?? '')
  const row = workloads.get(found?.workload ?? '')
  // A fenced attempt has nothing to say: its tasks belong to others by now.
  if (!attempt || !row || row.spec.kind !== 'array' || !isLive(attempt)) return { leased: [], over: true }
  const working: Working = { row, spec: row.spec, attempt }
  const changed = endTasks(memory, working, report)
  const held = new Set(report.held)
  const unheard = tasks.leased
    .get(`${row.id} ${attempt.number}`)
    .map(({ index }) => index)
    .filter((index) => !held.has(index))
  const room = attempt.state !== 'stopping' && row.wants === 'run' ? report.wanted - unheard.length : 0
  const given = room > 0 ? leaseTasks(memory, working, room) : []
  const isOver = row.tasksSucceeded + row.tasksFailed === row.spec.tasks
  if (isOver && (changed || given.length > 0)) {
    workloads.update(row, { dueAt: dueWithNews(row, now) })
    memory.tell({ nudges: ['follow'] })
  }
  const over = row.tasksSucceeded + row.tasksFailed + row.tasksLeased >= row.spec.tasks
  return { leased: [...unheard, ...given], over }
}

function endTasks({ tasks, workloads }: Memory, { row, spec, attempt }: Working, report: Report): boolean {
  const counts = { leased: 0, succeeded: 0, failed: 0, waiting: 0 }
  for (const { index, exit, startedAt, endedAt } of report.ended) {
    const task = tasks.get(taskKey({ workload: row.id, index }))
    // A start that was told already is a repeated report of an earlier try.
    if (task?.state !== 'leased' || task.attempt !== attempt.number || task.startedAt === startedAt) continue
    const code = shellCode(exit)
    const mayTry = attempt.state === 'stopping' || (spec.retry.onExit.includes(code) && task.tries < spec.retry.times)
    const state: TaskRow['state'] = code === 0 ? 'succeeded' : mayTry ? 'waiting' : 'failed'
    const times = { exitCode: code, startedAt, endedAt, tries: task.tries + 1 }
    tasks.update(task, { ...times, state, attempt: code === 0 ? task.attempt : null })
    counts[state] += 1
    counts.leased += 1
  }
  if (counts.leased === 0) return false
  workloads.update(row, {
    tasksLeased: row.tasksLeased - counts.leased,
    tasksSucceeded: row.tasksSucceeded + counts.succeeded,
    tasksFailed: row.tasksFailed + counts.failed,
  })
  return true
}

/** Those that wait again first, then the next that were never leased. */
function leaseTasks({ tasks, workloads }: Memory, { row, spec, attempt }: Working, room: number): number[] {
  const again = tasks.waiting.get(row.id).slice(0, room)
  for (const task of again) tasks.update(task, { state: 'leased', attempt: attempt.number })
  const end = Math.min(spec.tasks, row.nextTask + room - again.length)
  const given = Array.from({ length: Math.max(0, end - row.nextTask) }, (_, i) => row.nextTask + i)
  for (const index of given) tasks.insert({ workload: row.id, index, attempt: attempt.number, ...unstarted })
  workloads.update(row, {
    nextTask: row.nextTask + given.length,
    tasksLeased: row.tasksLeased + again.length + given.length,
  })
  return [...again.map(({ index }) => index), ...given]
}

const unstarted = { state: 'leased', exitCode: null, tries: 0, startedAt: null, endedAt: null } as const
