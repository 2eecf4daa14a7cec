import { refuseBefore } from '#engine/explain/refusal.ts'
import { barTo } from '#engine/placement/bars.ts'
import type { Need } from '#engine/placement/need.ts'
import { formatDuration } from '#kit/duration.ts'
import type { Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Spec } from '#model/spec/spec.ts'
import { remainingMs, type JobRecord } from '#simulator/replay/job-record.ts'

import { askedBy } from './need.ts'

/** What starting it now would cost of its time: only who ran before pays for that. */
const startsInMs = ({ starts, restartMs }: JobRecord): number => (starts > 0 ? restartMs : 0)

/** The last moment at which a job that waits may start and end by its deadline; `Infinity` for who has none. */
export const latestStartMs = (record: JobRecord, now: number): number =>
  (record.job.deadlineMs ?? Infinity) - remainingMs(record, now) - startsInMs(record)

/** Why a job that waits cannot end by its deadline any more, as the engine tells it; null while it can. */
export function lateBar(record: JobRecord, project: Project, now: number): Refusal | null {
  const { deadlineMs } = record.job
  if (deadlineMs === null || now <= latestStartMs(record, now)) return null
  const asked = askedBy(project)
  const spec = withDeadline(asked.workload.spec, { deadlineMs, workMs: remainingMs(record, now) + startsInMs(record) })
  const workload = { ...asked.workload, spec }
  const bar = barTo(workload, project, { spent: new Map(), now })
  return bar && refuseBefore({ ...asked, workload }, bar, (at) => `${formatDuration(at)} after the trace began`)
}

/** What a job needs that has a deadline and starts now, as the engine plans it: it saves its work, and never gives up. */
export function dueNeed(need: Need, record: JobRecord, now: number): Need {
  const { job, index, checkpointMs: everyMs } = record
  const terms = { deadlineMs: job.deadlineMs ?? Infinity, workMs: remainingMs(record, now) }
  const spec = {
    ...withDeadline(need.spec, terms),
    checkpoint: { ...need.spec.checkpoint, everyMs },
    retry: { ...need.spec.retry, onLoss: Infinity },
  }
  return { ...need, spec, workload: { ...need.workload, id: String(index), createdAt: job.arrivalMs, spec } }
}

const withDeadline = (spec: Spec, { deadlineMs, workMs }: { deadlineMs: number; workMs: number }): Spec => ({
  ...spec,
  deadline: deadlineMs,
  duration: { ...spec.duration, expectedMs: workMs },
})
