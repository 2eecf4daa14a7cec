import type { Decision, Placement as Chosen, Refusal } from '#model/plan.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import type { Replica } from '#model/replica.ts'
import type { Workload } from '#model/workload.ts'
import type { Placed, QueueSnapshot } from '#store/store.ts'
import type { Preempting } from './preempt.ts'
import type { readThese } from './queue.ts'
import { leavesReason } from './told.ts'

/** What placement decides of rows once they are read. */

/** More than so many replicas that come together are a case for a whole look. */
export const mostToCome = 256

/** So many are read more of one need, or of several together, though of each no fewer than some. */
export const someMore = (needs: number): number => Math.max(16, Math.min(512, Math.floor(2048 / Math.max(1, needs))))

/** Of those who were read behind these, one more of each need than are wanted, those who come next. */
export const nextOf = <T extends { need: string }>(behind: readonly { need: string }[], read: readonly T[]) => {
  const most = someMore(behind.length)
  const lines = Map.groupBy(read, ({ need }) => need)
  return behind.map(({ need }) => {
    const line = lines.get(need) ?? []
    return { need, next: line.slice(0, most), isAll: line.length <= most }
  })
}

export type Waiting = Awaited<ReturnType<typeof readThese>>

export function asked(replicas: Waiting, workloads: readonly Workload[]): QueueSnapshot['waiting'] {
  const workloadOf = new Map(workloads.map((workload) => [workload.id, workload]))
  return replicas.flatMap(({ need, start, ...replica }) => {
    const workload = workloadOf.get(replica.workload)
    return workload ? [{ workload, replica, need, start }] : []
  })
}

/** What is read where there is nobody to decide about. */
export const nobody = (): QueueSnapshot => ({
  waiting: [],
  more: false,
  moreUntold: false,
  unread: new Map(),
  after: '',
  leases: [],
  projects: [],
  preemptions: [],
  spent: new Map(),
  sites: [],
})

/** Those who run, each with its workload. */
export function runningOf(replicas: readonly Replica[], workloads: readonly Workload[]): QueueSnapshot['running'] {
  const workloadOf = new Map(workloads.map((workload) => [workload.id, workload]))
  return replicas.flatMap((replica) => {
    const workload = workloadOf.get(replica.workload)
    return workload ? [{ workload, replica }] : []
  })
}

/** Whether nothing but its spec is to be known of it to place it: what it has spent, its secrets, what its data cost, or what it did. */
export const isKnownAlone = (spec: Workload['spec']): boolean =>
  !spec.budget && spec.secrets.length === 0 && spec.data.length === 0 && !isPlannedToDeadline(spec)

/** A workload of which a replica may be placed, or refused. */
export type Row = { id: string; name: string; project: string; attempts: number; waits: boolean }

export const preempting = (refused: Decision[], workloads: Map<string, Row>): Preempting[] =>
  refused.flatMap(({ workload, preempts = [], moves = false, goesBack }) => {
    const row = workloads.get(workload)
    if (!row || preempts.length === 0) return []
    const reason = goesBack ?? leavesReason({ ...row, isMove: moves })
    return [{ workload, reason, leases: preempts.map(({ lease }) => lease), isMove: moves }]
  })

export type Taken = { workload: string; replica: number }
export type PlacedRow = Placed & Chosen & Taken & { name: string; project: string; number: number }

/** Those whose replica was taken, each with the number of its attempt. */
export function numbered(placed: Placed[], taken: Taken[], workloads: Map<string, Row>): PlacedRow[] {
  const free = new Set(taken.map(({ workload, replica }) => `${workload} ${replica}`))
  return placed.flatMap((one) => {
    const { workload, replica, placement } = one.decision
    const owner = workloads.get(workload)
    if (!owner || !placement || !free.has(`${workload} ${replica}`)) return []
    owner.attempts += 1
    return [
      { ...one, ...placement, workload, replica, project: owner.project, name: owner.name, number: owner.attempts },
    ]
  })
}

/** What is told of each workload. */
export function firstRefusals(refused: Decision[], workloads: Map<string, Row>): Map<string, Refusal> {
  const first = new Map<string, Refusal>()
  for (const { workload, refusal } of refused) {
    const before = first.get(workload)
    // A start that is promised to any of its replicas is kept.
    if (refusal && workloads.has(workload) && (!before || (refusal.start && !before.start)))
      first.set(workload, refusal)
  }
  return first
}
