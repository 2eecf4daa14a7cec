import type { Attempt } from '#model/attempt.ts'
import type { Entry } from '#model/entry.ts'
import type { Lease } from '#model/lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Operation } from '#model/operation.ts'
import type { Beside, Refusal } from '#model/plan.ts'
import type { Project } from '#model/project.ts'
import type { Rank } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { Node, Site, SiteReach } from '#model/site.ts'
import type { Workload } from '#model/workload.ts'

/**
 * The committed rows of a store, each table by its key. Who offers them replaces a row when it is written and never
 * changes one in place, so that two looks are compared row by row without a copy.
 */
export type Tables = {
  workloads: Table<WorkloadRow>
  /** By `workload replica`. */
  replicas: Table<Replica>
  attempts: Table<AttemptRow>
  leases: Table<LeaseRow>
  /** By `lease rank`. */
  ranks: Table<Rank>
  operations: Table<Operation>
  /** By `workload index`. */
  tasks: Table<TaskRow>
  /** By `lease from`. */
  entries: Table<Entry>
  /** By `kind/name`. */
  spent: Table<SpentRow>
  sites: Table<SiteRow>
  projects: Table<Project>
  claims: Table<ClaimRow>
  /** How many rows there are of what no invariant reads. */
  counts: Readonly<Record<'events' | 'plans' | 'idempotency' | 'control_planes', number>>
}
/** `touched`: the keys of all rows that were ever written, in their order, where that is known; it only grows. */
export type Table<Row> = ReadonlyMap<string, Readonly<Row>> & { readonly touched?: readonly string[] }

export type WorkloadRow = Workload & {
  refusal: Refusal | null
  dueAt: number | null
  /** Of an array: how many of its tasks are so. */
  tasksLeased: number
  tasksSucceeded: number
  tasksFailed: number
}
export type AttemptRow = Attempt & { preemptedFor: string | null }
export type LeaseRow = Lease & { shape: string; graceMs: number; beside?: Beside | null }
/** A task of an array that was leased at least once, and by which of its attempts it is now. */
export type TaskRow = {
  workload: string
  index: number
  state: 'waiting' | 'leased' | 'succeeded' | 'failed'
  attempt: number | null
  exitCode: number | null
}
export type SpentRow = { kind: string; name: string; amountMicros: bigint }
export type SiteRow = SiteReach & { info: Site; offers: Offer[]; nodes: Node[] | null }
export type ClaimRow = { name: string; holder: string; epoch: number }

export type TableName = Exclude<keyof Tables, 'counts'>
export type RowOf<Name extends TableName> = Tables[Name] extends Table<infer Row> ? Row : never

export const tableNames = [
  'workloads',
  'replicas',
  'attempts',
  'leases',
  'ranks',
  'operations',
  'tasks',
  'entries',
  'spent',
  'sites',
  'projects',
  'claims',
] as const satisfies TableName[]

export const spentKey = (kind: string, name: string): string => `${kind}/${name}`

/** What a key looks like where it is made of two columns. */
export const keyOf = (first: string, second: string | number): string => `${first} ${second}`
