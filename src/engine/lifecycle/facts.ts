import type { Attempt } from '#model/attempt.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { SiteReach } from '#model/site.ts'
import type { Workload } from '#model/workload.ts'

/** All there is to know to decide what follows for one workload. */
export type WorkloadFacts = {
  workload: Workload
  replicas: Replica[]
  /** Attempts that live, each with its latest lease. */
  attempts: LiveAttempt[]
  /** Leases of ended attempts that are not gone yet. */
  leftovers: Lease[]
  tasks: TaskCounts | null
  /** Micro-dollars spent until now, entered in the ledger or not. */
  spentMicros: bigint
  /** It was warned of its budget already. */
  warned: boolean
  /** Reach and patience by `provider/site`, of each site that a live lease is at. */
  sites: Record<string, SiteFacts>
  /**
   * Until when it may still be told what became of its ranks while nobody listened; absent once all were heard since.
   */
  toldBy?: number
}

export type LiveAttempt = Attempt & { lease: Lease; ranks: Rank[] }
type TaskCounts = { succeeded: number; failed: number; leased: number; waiting: number }
/**
 * `askedAt`: when it was last asked in vain, if it does not answer. `hearsSince`: since when agents that run there are heard
 * without a break; absent where none is, or nobody had to ask.
 */
export type SiteFacts = SiteReach & {
  askedAt: number
  patienceMs: number
  upWithinMs?: number | null
  hearsSince?: number
}

/** `provider/site` of a lease. */
export const siteOf = (lease: Pick<Lease, 'provider' | 'site'>): string => `${lease.provider}/${lease.site}`

/** Whether every task of an array has ended, well or not. False for what is no array. */
export function allTasksEnded({ workload, tasks }: WorkloadFacts): boolean {
  return workload.spec.kind === 'array' && tasks !== null && tasks.succeeded + tasks.failed >= workload.spec.tasks
}
