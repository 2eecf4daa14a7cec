import type { Amounts } from '#engine/queue/quota.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Start } from '#model/plan.ts'
import type { Preemption } from '#model/preemption.ts'
import type { Project } from '#model/project.ts'
import type { Replica } from '#model/replica.ts'
import type { Node, Site, SiteReach } from '#model/site.ts'
import type { SpotFacts } from '#model/spot.ts'
import type { Workload } from '#model/workload.ts'

/** What a round of placement is decided on: everything that waits, and everything that is in the way. */
export type Snapshot = {
  waiting: Asked[]
  /** Some of those who run on capacity that is not spot, and may be planned on it. */
  running?: Asked[]
  leases: LiveLease[]
  projects: Project[]
  /** Who was made to leave for whom, lately or while both are still to end. */
  preemptions?: Preemption[]
  /** Micro-dollars spent so far, by `project/<name>` and `workload/<id>`; nothing where there is no key. */
  spent: Map<string, bigint>
  /** The secret that a workload names and its project does not have, by workload. */
  missing?: Map<string, string>
  sites: SiteFacts[]
  /** What each project held on average of late, newer times counting more; it counts beside what it holds now. */
  usage?: Map<string, Amounts>
  /** What has left each site in this month, in bytes. */
  sent?: ReadonlyMap<string, bigint>
  /** What was seen of spot markets, where somebody waits who is planned on them. */
  spot?: SpotFacts
  /** Needs of which not all was read: how many of each come before the first that was not. */
  unread?: Map<string, number>
}

/**
 * A replica that waits to be placed. `need` is the same for those who are refused by the same and are placed in the order
 * of the queue; without it, it is worked out. `start` is what it was promised in an earlier round.
 */
export type Asked = { workload: Workload; replica: Replica; need?: string; start?: Start | null }

/** Those who were read next of a need of which not all was, in the order of the queue; `isAll`: nobody is behind them. */
export type More = { need: string; asked: readonly Asked[]; isAll: boolean }

/** A site as last heard of. Without an inventory (`nodes` is null) the provider chooses the nodes. */
export type SiteFacts = SiteReach & { offers: Offer[]; nodes: Node[] | null; info: Site }
