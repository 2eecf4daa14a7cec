import { roundDuration } from '#kit/duration.ts'
import type { Workload } from '#model/workload.ts'
import type { ListedWorkload } from '#store/store.ts'
import { conditionsOf } from './conditions.ts'
import { attemptView, endpointsOf, type ShownAttempt } from './show-attempt.ts'
import { money, time, timeOrNull } from './show.ts'
import type { WorkloadDetail, WorkloadView } from './views.ts'

/** A workload as `ps` shows it. */
export const workloadView = (row: ListedWorkload): WorkloadView => ({
  id: row.id,
  name: row.name,
  project: row.project,
  kind: row.kind,
  state: row.state,
  summary: summaryOf(row),
  reason: row.reason,
  wants: row.wants,
  priority: row.priority,
  ready: row.ready,
  replicas: row.replicas,
  tasks: row.tasks && row.spec.kind === 'array' ? { total: row.spec.tasks, ...row.tasks } : null,
  sites: row.sites,
  pricePerHour: money(row.priceMicros),
  spent: money(row.spentMicros),
  exitCode: row.exitCode,
  attempts: row.attempts,
  submittedBy: row.submittedBy,
  createdAt: time(row.createdAt),
  startedAt: timeOrNull(row.startedAt),
  endedAt: timeOrNull(row.endedAt),
  expiresAt: row.spec.expiry === undefined ? null : time(row.createdAt + row.spec.expiry),
  labels: row.spec.labels,
  endpoints: [],
})

/** All that is known of one workload. Its attempts come newest first. */
export function workloadDetail(row: ListedWorkload, attempts: ShownAttempt[], now: number): WorkloadDetail {
  const newestFirst = attempts.toSorted((a, b) => b.number - a.number)
  return {
    ...workloadView(row),
    endpoints: endpointsOf(attempts),
    spec: row.spec,
    attemptList: newestFirst.map((attempt) => attemptView(attempt, row.spec, now)),
    conditions: conditionsOf(row, newestFirst),
    failedTasks: [],
  }
}

/** A row that was submitted this moment, without asking for it again. */
export const freshRow = (
  workload: Pick<Workload, 'id' | 'name' | 'project' | 'kind' | 'spec' | 'bundle' | 'priority' | 'submittedBy'>,
  more: { now: number; replicas: number },
): ListedWorkload => ({
  ...workload,
  wants: 'run',
  state: 'queued',
  exitCode: null,
  reason: '',
  attempts: 0,
  createdAt: more.now,
  startedAt: null,
  endedAt: null,
  ready: 0,
  replicas: more.replicas,
  sites: [],
  priceMicros: 0,
  spentMicros: 0n,
  tasks: workload.kind === 'array' ? { succeeded: 0, failed: 0, leased: 0 } : null,
})

/** The state in a few words. Made here and nowhere else, so that every surface says the same. */
function summaryOf(row: ListedWorkload): string {
  switch (row.state) {
    case 'queued':
      return row.attempts === 0 ? 'waiting for a place' : `waiting for a place (attempt ${row.attempts + 1})`
    case 'held':
      return 'held until released'
    case 'starting':
      return row.sites.length > 0 ? `starting on ${row.sites.join(', ')}` : 'starting'
    case 'running':
      return runningSummary(row)
    case 'stopping':
      return 'stopping'
    case 'succeeded':
      return `succeeded${tookOf(row)}`
    case 'failed':
      return row.exitCode === null ? 'failed' : `failed with exit code ${row.exitCode}${tookOf(row)}`
    case 'stopped':
      return `stopped${tookOf(row)}`
  }
}

function runningSummary(row: ListedWorkload): string {
  const where = row.sites.length > 0 ? ` on ${row.sites.join(', ')}` : ''
  if (row.spec.kind === 'service') return `${row.ready} of ${row.replicas} ready${where}`
  if (row.spec.kind === 'array') {
    const ended = (row.tasks?.succeeded ?? 0) + (row.tasks?.failed ?? 0)
    return `${ended} of ${row.spec.tasks} tasks done${where}`
  }
  return row.spec.nodes === 1 ? `running${where}` : `running on ${row.spec.nodes} nodes${where.replace(' on', ' of')}`
}

function tookOf(row: ListedWorkload): string {
  if (row.startedAt === null || row.endedAt === null) return ''
  return ` after ${roundDuration(row.endedAt - row.startedAt)}`
}
