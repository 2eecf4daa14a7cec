import type { RowChange } from './changes.ts'
import type { Invariant } from './invariant.ts'
import { keyOf, type TaskRow, type WorkloadRow } from './tables.ts'

/** How many tasks of each array are so, and of each attempt are leased. */
type Counts = { ofState: Map<string, number>; ofAttempt: Map<string, number> }

/** Each task of an array counts once: it ends once, nobody who has ended holds any, and the sums are those of the rows. */
export function tasksCountOnce(): Invariant {
  const counts: Counts = { ofState: new Map(), ofAttempt: new Map() }
  return {
    name: 'each task counts once, and none is left with who has ended',
    rule: 2,
    when: 'always',
    check(seen) {
      const { changes, tables } = seen
      for (const change of changes.tasks) count(counts, change)
      const touched = new Set([
        ...changes.tasks.flatMap(({ after }) => (after ? [after.workload] : [])),
        ...changes.workloads.map(({ key }) => key),
      ])
      return [
        ...changes.tasks.flatMap(endedAnew),
        ...[...touched].flatMap((id) => miscounted(tables.workloads.get(id), counts)),
        ...changes.attempts.flatMap(({ after }) => {
          const left = after && after.endedAt !== null ? counts.ofAttempt.get(keyOf(after.workload, after.number)) : 0
          return after && left ? [`attempt ${after.id} has ended, and holds ${left} tasks`] : []
        }),
      ]
    },
  }
}

function count({ ofState, ofAttempt }: Counts, { before, after }: RowChange<TaskRow>): void {
  for (const [row, by] of [
    [before, -1],
    [after, 1],
  ] as const) {
    if (!row) continue
    const state = `${row.state} ${row.workload}`
    ofState.set(state, (ofState.get(state) ?? 0) + by)
    if (row.state !== 'leased' || row.attempt === null) continue
    const attempt = keyOf(row.workload, row.attempt)
    ofAttempt.set(attempt, (ofAttempt.get(attempt) ?? 0) + by)
  }
}

function endedAnew({ key, before, after }: RowChange<TaskRow>): string[] {
  if (!before || !after || (before.state !== 'succeeded' && before.state !== 'failed')) return []
  const isSame = before.state === after.state && before.exitCode === after.exitCode
  return isSame
    ? []
    : [`task ${key} ${before.state} with ${before.exitCode}, and then ${after.state} with ${after.exitCode}`]
}

function miscounted(workload: WorkloadRow | undefined, { ofState }: Counts): string[] {
  if (workload?.spec.kind !== 'array') return []
  const { id, state, tasksLeased, tasksSucceeded, tasksFailed, spec } = workload
  const is = (of: TaskRow['state']) => ofState.get(`${of} ${id}`) ?? 0
  const ended = tasksSucceeded + tasksFailed
  const isRight = tasksLeased === is('leased') && tasksSucceeded === is('succeeded') && tasksFailed === is('failed')
  return [
    ...(isRight || isPruned(workload, is)
      ? []
      : [
          `${id} counts ${tasksLeased} leased, ${tasksSucceeded} succeeded and ${tasksFailed} failed tasks, and has ${is('leased')}, ${is('succeeded')} and ${is('failed')}`,
        ]),
    ...(ended + tasksLeased <= spec.tasks ? [] : [`${id} has ${ended + tasksLeased} tasks of ${spec.tasks}`]),
    ...(state === 'succeeded' && tasksSucceeded !== spec.tasks
      ? [`${id} succeeded with ${tasksSucceeded} of ${spec.tasks} tasks`]
      : []),
  ]
}

/** The tasks of what ended long ago are deleted. */
const isPruned = ({ endedAt }: WorkloadRow, is: (of: TaskRow['state']) => number): boolean =>
  endedAt !== null && is('succeeded') + is('failed') + is('leased') + is('waiting') === 0
