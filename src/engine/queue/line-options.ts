import type { Cell } from '#engine/cell/cell.ts'
import type { Loses } from '#engine/preemption/candidates.ts'
import type { Ledger } from '#engine/preemption/ledger.ts'
import type { Preemption } from '#model/project.ts'
import type { QuotaNode } from './quota.ts'
import type { Decision, Request } from './request.ts'
import type { Shares } from './share.ts'

export type LineOptions = {
  cells: readonly Cell[]
  /** Projects; each one that asks must be there. */
  quotas: readonly QuotaNode[]
  shares: Shares
  /** The oldest in each cell goes before all others once it has waited so long. */
  overdueMs: number
  /**
   * Which options of somebody who asks may be tried now, by their numbers, best first; all in their order when absent. If
   * its answer grows for other reasons than the line knows of, `reconsider` has to be called.
   */
  choose?: ((request: Request, now: number) => readonly number[]) | undefined
  /** Is told each decision at once, before anybody else is asked. False ends the turn. */
  decided?: ((decision: Decision) => boolean) | undefined
  /** False where nobody reads how much room there was for who found too little: then it is not counted. */
  saysRoom?: boolean | undefined
  /** Whom a project may preempt; nobody where it is not named. */
  preemption?: ReadonlyMap<string, Preemption> | undefined
  /** Nobody leaves for who starts without that before it is so long that it began to wait, if all end when they are known to. */
  patienceMs?: number | undefined
  /** Who had to leave for whom before. */
  ledger?: Ledger | undefined
  /** So many may be moved in an hour to free a domain for others; nobody when absent. */
  movesPerHour?: number | undefined
  /** Whether somebody who runs may be moved; everybody when absent. */
  mayMove?: ((request: Request) => boolean) | undefined
  /** What somebody who runs would lose if it left; all since its start when absent, and null for who cannot leave now. */
  losesOf?: ((request: Request) => Loses | null) | undefined
}
