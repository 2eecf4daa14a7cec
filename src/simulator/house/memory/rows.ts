import type { Attempt } from '#model/attempt.ts'
import type { Entry } from '#model/entry.ts'
import type { NewEvent } from '#model/event.ts'
import type { JoinedSite } from '#model/joined-site.ts'
import type { Lease } from '#model/lease.ts'
import type { Operation } from '#model/operation.ts'
import type { Beside, Decision, Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Rank } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { Site, SiteReach } from '#model/site.ts'
import type { Workload } from '#model/workload.ts'
import type { QueueSnapshot } from '#store/store.ts'

/** Rows as the tables of src/store/schema.sql have them, in the names of the model. */

export type WorkloadRow = Workload & {
  refusal: Refusal | null
  dueAt: number | null
  claimedUntil: number | null
  nextTask: number
  tasksLeased: number
  tasksSucceeded: number
  tasksFailed: number
  need: string | null
}

export type ReplicaRow = Omit<Replica, 'kept'> & {
  kept: NonNullable<Replica['kept']> | null
  need: string
  priority: number
  createdAt: number
  told: boolean
  promised: boolean
}

export type AttemptRow = Attempt & { preemptedFor: string | null; preemptedAt: number | null; moved: boolean }

export type LeaseRow = Lease & { shape: string; graceMs: number; endsAt: number | null; beside: Beside | null }

export type RankRow = Rank & { report: number }

export type OperationRow = Operation & { claimedBy: string | null; claimedUntil: number | null }

export type TaskRow = {
  workload: string
  index: number
  state: 'waiting' | 'leased' | 'succeeded' | 'failed'
  attempt: number | null
  exitCode: number | null
  tries: number
  startedAt: number | null
  endedAt: number | null
}

export type PlanRow = {
  id: string
  workload: string | null
  decisions: Decision[]
  submission: unknown
  createdAt: number
  expiresAt: number | null
  appliedAt: number | null
}

export type SiteRow = Omit<SiteReach, 'site'> &
  Pick<QueueSnapshot['sites'][number], 'offers' | 'nodes'> & {
    key: string
    site: Site
    offersAt: number | null
    askedAt: number | null
  } & Pick<JoinedSite, 'leaving'> & { declaration: JoinedSite['declaration'] | null }

export type SpentRow = { kind: 'workload' | 'project'; name: string; amountMicros: bigint; warnedAt: number | null }

export type EventRow = NewEvent & { seq: number; generation: number; txid: number; at: number }

export type SecretRow = { project: string; name: string; sealed: Buffer; updatedAt: number }

export type IdempotencyRow = {
  key: string
  requestHash: string
  status: number | null
  response: unknown
  createdAt: number
}

export type ClaimRow = { name: string; holder: string; epoch: number; expiresAt: number }

export type PlaneRow = { id: string; url: string; heardAt: number }

export type HouseRow = { id: true; generation: number; keyMark: string | null }

export type EntryRow = Entry
export type ProjectRow = Project

export const workloadOf = (row: WorkloadRow): Workload => ({
  id: row.id,
  name: row.name,
  project: row.project,
  kind: row.kind,
  spec: row.spec,
  bundle: row.bundle,
  priority: row.priority,
  wants: row.wants,
  state: row.state,
  exitCode: row.exitCode,
  reason: row.reason,
  attempts: row.attempts,
  submittedBy: row.submittedBy,
  createdAt: row.createdAt,
  startedAt: row.startedAt,
  endedAt: row.endedAt,
})

export const replicaOf = (row: ReplicaRow): Replica => ({
  workload: row.workload,
  replica: row.replica,
  state: row.state,
  losses: row.losses,
  failures: row.failures,
  notBefore: row.notBefore,
  avoid: row.avoid,
  kept: row.kept,
})

export const attemptOf = (row: AttemptRow): Attempt => ({
  id: row.id,
  workload: row.workload,
  replica: row.replica,
  number: row.number,
  state: row.state,
  plan: row.plan,
  ready: row.ready,
  exitCode: row.exitCode,
  reason: row.reason,
  createdAt: row.createdAt,
  startedAt: row.startedAt,
  endedAt: row.endedAt,
})

export const leaseOf = (row: LeaseRow): Lease => ({
  id: row.id,
  attempt: row.attempt,
  workload: row.workload,
  project: row.project,
  provider: row.provider,
  site: row.site,
  tier: row.tier,
  priceMicros: row.priceMicros,
  ranks: row.ranks,
  state: row.state,
  createdAt: row.createdAt,
  startedAt: row.startedAt,
  endedAt: row.endedAt,
  meteredUntil: row.meteredUntil,
})

export const rankOf = (row: RankRow): Rank => ({
  lease: row.lease,
  rank: row.rank,
  state: row.state,
  address: row.address,
  endpoints: row.endpoints,
  ready: row.ready,
  exitCode: row.exitCode,
  startedAt: row.startedAt,
  endedAt: row.endedAt,
  heardAt: row.heardAt,
  cause: row.cause,
  leavesAt: row.leavesAt,
})

export const operationOf = (row: OperationRow): Operation => ({
  id: row.id,
  lease: row.lease,
  kind: row.kind,
  site: row.site,
  token: row.token,
  state: row.state,
  tries: row.tries,
  notBefore: row.notBefore,
  detail: row.detail,
})
