import type { Clock } from '#kit/clock.ts'
import type { Ids } from '#kit/ids.ts'
import type { SteeringPlan } from '#engine/market/steer.ts'
import type { LogArchive } from '#providers/blobs/archive.ts'
import type { Provider } from '#providers/provider.ts'
import type { Program } from '#model/agent-protocol.ts'
import type { Outcome } from '#model/fault.ts'
import type { ClaimedOperation, Store } from '#store/store.ts'

/** A loop that closes one gap between what is wanted and what is. It never imports another loop. */
export type Reconciler = {
  name: string
  /** It looks at least so often, nudged or not. */
  everyMs: number
  /** One turn: read → decide → intend → act → write once. A turn that throws is logged and comes again. */
  turn(house: House, signal: AbortSignal): Promise<Turn>
}

/**
 * What a turn found: `more` asks for the next turn at once, `at` for one at that time, `when` for one as soon as that has come.
 * After a `useful` one no loop rests: the next may be as well.
 */
export type Turn = { status: string; more?: boolean; at?: number; when?: Promise<void>; useful?: boolean }

/** What every loop is given. */
export type House = {
  store: Store
  /** Adapters by name, decorated. */
  providers: Map<string, Provider>
  clock: Clock
  ids: Ids
  /** Who this control plane is in claims. */
  holder: string
  /** Where agents reach the control plane: this one first. */
  controlPlanes(): string[]
  /** The credential of an order, derived from the house's key and the token. */
  credential(token: string): string
  /** The folder for the checkpoints of a workload, as its nodes see it; agents ask before they start where it is absent. */
  checkpoints?(workload: string): string
  /** What each rank of an order does, its secrets opened, for engines that run ranks themselves. */
  programs?(
    operation: Pick<ClaimedOperation, 'workload' | 'attempt' | 'leaseRow'>,
    ranks: readonly number[],
  ): Promise<Outcome<Program[]>>
  /** Keeps the logs of an ended attempt. */
  archive: Archive
  /** Is told of each round of placement that was held against its checker, and how much that found wrong. */
  checked?(violations: number): void
  /** Of so many rounds of placement one is held against its checker; of 32 when absent. */
  checksEvery?: number
  /** The plan over aggregates, where there is one, and who is told what was placed since. */
  steering?: Steering
  /** So many may be moved in an hour so that a domain is whole again for somebody, or to spot capacity; nobody when absent. */
  movesPerHour?: number
}

/** What steers placement; it may be forgotten at any time. */
export type Steering = {
  plan(): SteeringPlan | undefined
  placed(gangs: { key: string; candidate: string }[]): void
}

/** Where collected logs go: the blob store. */
export type Archive = Pick<LogArchive, 'kept' | 'add'>
