import type { Outcome } from '#model/fault.ts'

/** What becomes of a job: it waits, has nodes, gives them back, or has ended, however that was. */
export type JobPhase = 'pending' | 'running' | 'ending' | 'ended'

export type SlurmJob = {
  id: number
  name: string
  comment: string
  phase: JobPhase
  /** The word of Slurm for its state and, while it waits, why: for people. */
  detail: string
}

export type BatchJob = {
  name: string
  comment: string
  nodes: number
  cpusPerNode: number
  memoryMiB: number
  gpus: { type: string | null; count: number } | null
  /** The longest it may run; null where the partition sets no limit. */
  minutes: number | null
  script: string
  environment: Record<string, string>
  folder: string
  output: string
}

/** Nodes of the partition that are alike. */
export type NodeGroup = {
  count: number
  /** They take jobs, now or once their jobs have ended. */
  usable: boolean
  cpus: number
  memoryMiB: number
  diskMiB: number
  gpus: { type: string | null; count: number } | null
}

export type Partition = { groups: NodeGroup[]; mostMinutes: number | null }

/**
 * What we ask of a Slurm cluster, by whichever way. Each way gives the same results; each fault says whether the
 * cluster answered. `jobs` and `named` leave out what the cluster says it does not know, and nothing else.
 */
export type Controller = {
  submit(job: BatchJob, signal: AbortSignal): Promise<Outcome<number>>
  /** Jobs by their numbers, without asking for all that there are; asked for none, it still asks whether Slurm is there. */
  jobs(ids: readonly number[], signal: AbortSignal): Promise<Outcome<SlurmJob[]>>
  /** Jobs of one name, live and ended. It may be costly: only for a job whose number is not known. */
  named(name: string, signal: AbortSignal): Promise<Outcome<SlurmJob[]>>
  /** Ends a job; one that Slurm does not know has ended. */
  cancel(id: number, signal: AbortSignal): Promise<Outcome<null>>
  partition(signal: AbortSignal): Promise<Outcome<Partition>>
}

const phases: Record<string, JobPhase> = {
  PENDING: 'pending',
  CONFIGURING: 'pending',
  REQUEUED: 'pending',
  REQUEUE_HOLD: 'pending',
  REQUEUE_FED: 'pending',
  RESV_DEL_HOLD: 'pending',
  SPECIAL_EXIT: 'pending',
  COMPLETING: 'ending',
  BOOT_FAIL: 'ended',
  CANCELLED: 'ended',
  COMPLETED: 'ended',
  DEADLINE: 'ended',
  FAILED: 'ended',
  NODE_FAIL: 'ended',
  OUT_OF_MEMORY: 'ended',
  PREEMPTED: 'ended',
  REVOKED: 'ended',
  TIMEOUT: 'ended',
}

/** A word that we do not know says that the job is there; only the known ones say that it has ended. */
export const phaseOf = (state: string): JobPhase => phases[state] ?? 'running'

const unusable = /DOWN|DRAIN|FAIL|MAINT|UNK|INVAL|NO_RESPOND|REBOOT|FUTURE|PLANNED_DOWN|\*/i

/** Of a node in a state such as `IDLE`, `mixed` or `down*`. */
export const isUsable = (state: string): boolean => !unusable.test(state)

/** The accelerators among generic resources such as `gpu:h200:8(S:0-1),licence:2`. */
export function gpusOf(gres: string): NodeGroup['gpus'] {
  const [, type = null, count] = /(?:^|,)gpu(?::([^:(),]+))?:(\d+)/.exec(gres) ?? []
  return count === undefined || count === '0' ? null : { type, count: Number(count) }
}

/** Brings nodes that are alike together. */
export function grouped(nodes: readonly NodeGroup[]): NodeGroup[] {
  const groups = new Map<string, NodeGroup>()
  for (const node of nodes) {
    const key = JSON.stringify({ ...node, count: 0 })
    const same = groups.get(key)
    if (same) same.count += node.count
    else groups.set(key, { ...node })
  }
  return [...groups.values()]
}
