import type { Lease } from './lease.ts'
import type { Beside } from './plan.ts'
import type { Workload } from './workload.ts'

/**
 * A lease that occupies capacity, or `times` leases that hold the same at the same place: then id, workload and name are
 * those of the youngest, and workloads that wait are never taken together with others. Without `shape` it counts against
 * every offer of its site and tier.
 */
export type LiveLease = Pick<
  Lease,
  'id' | 'workload' | 'project' | 'provider' | 'site' | 'tier' | 'ranks' | 'priceMicros'
> & {
  shape?: string
  times?: number
  /** The workload's name, for people. */
  name?: string
  /** When it, or the first of them, is known to end; and that one's name, if it is another. */
  endsAt?: number | null
  endsName?: string | null
  /** Of several, all ends that are known. */
  ends?: number[] | null
  priority?: number
  kind?: Workload['kind']
  /** Since when it is there, how long it may take to leave, and whether it is being retired. */
  since?: number
  graceMs?: number
  leaves?: boolean
  beside?: Beside | null
  /** How often it says that it writes a checkpoint. */
  savesEveryMs?: number | null
  /** It may be moved: what it has done is saved, or little, and nobody asks it for anything meanwhile. */
  movable?: boolean | null
  /** Nobody else may have its nodes: this replica of its workload lost some ranks there and comes back to the others. */
  keptFor?: KeptFor | null
}

/** `isGone`: nothing runs there any more, so that the replica may start. */
export type KeptFor = { replica: number; lost: number[]; isGone: boolean }
