import { z } from 'zod'

import type { Spec } from './spec/spec.ts'

/**
 * queued → starting → running → succeeded, failed or stopped. A loss leads back to `queued` (or leaves a service or
 * array `running` with what it still has). `held`: kept out of the queue until released. What a person wants is in
 * `wants`, what is so is the state: the loops close the gap.
 */
export const workloadMoves = {
  queued: ['starting', 'held', 'stopped', 'failed'],
  held: ['queued', 'stopped'],
  starting: ['running', 'queued', 'stopping', 'succeeded', 'failed'],
  running: ['starting', 'queued', 'stopping', 'succeeded', 'failed'],
  stopping: ['stopped', 'held', 'succeeded', 'failed'],
  succeeded: [],
  failed: [],
  stopped: [],
} as const satisfies Record<string, readonly string[]>
export type WorkloadState = keyof typeof workloadMoves
export const WorkloadState = z.enum(Object.keys(workloadMoves) as [WorkloadState, ...WorkloadState[]]) // keys of the table

/** What a person asked for last: that it run, that it wait, or that it end. */
export const Wants = z.enum(['run', 'hold', 'stop'])
export type Wants = z.infer<typeof Wants>

/** What someone wants to run, and how far it has come. */
export type Workload = {
  id: string
  name: string
  project: string
  kind: Spec['kind']
  spec: Spec
  /** Hash of the packed workdir in the blob store, when the spec has one. */
  bundle: string | null
  priority: number
  wants: Wants
  state: WorkloadState
  /** Exit code of an ended workload, as a shell reports it: 128 + n after signal n. */
  exitCode: number | null
  /** Why it is in this state, in one line for people; made on the server only. */
  reason: string
  /** Attempts made so far; the next one gets this number plus one. */
  attempts: number
  submittedBy: string
  createdAt: number
  startedAt: number | null
  endedAt: number | null
}

/** What a worker of an array asks for at the most, unless one task alone needs more: every cluster has nodes of that size. */
const mostOfWorker = { slots: 8, cpuMilli: 32_000, memoryMiB: 128 * 1024 }

/**
 * Tasks of an array that one worker runs side by side at the most; a worker is one node. A task with accelerators, or a part
 * of one, has a worker to itself: so each stands where there is room for it, and sees its own alone. So has a large one: no
 * node need have room for several.
 */
export function slotsPerWorker({ resources: { accelerators, cpuMilli, memoryMiB } }: Pick<Spec, 'resources'>): number {
  if (accelerators.length > 0) return 1
  const byCpu = Math.floor(mostOfWorker.cpuMilli / Math.max(1, cpuMilli.count))
  const byMemory = Math.floor(mostOfWorker.memoryMiB / Math.max(1, memoryMiB.count))
  return Math.max(1, Math.min(mostOfWorker.slots, byCpu, byMemory))
}

/** How many copies of a workload are placed, each as a whole: a job has one, an array one for each worker. */
export function wantedReplicas(spec: Spec): number {
  if (spec.kind === 'service') return spec.replicas.min
  return spec.kind === 'array' ? Math.ceil(Math.min(spec.parallelism, spec.tasks) / slotsPerWorker(spec)) : 1
}

/** Tasks that worker `replica` of an array runs side by side; together they make up the parallelism. */
export function slotsOf(spec: Spec, replica: number): number {
  if (spec.kind !== 'array') return 1
  const most = slotsPerWorker(spec)
  return Math.min(most, Math.min(spec.parallelism, spec.tasks) - replica * most)
}
