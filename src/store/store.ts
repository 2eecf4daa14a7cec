import type { AgentReport } from '#model/agent-protocol.ts'
import type { Attempt } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { Entry } from '#model/entry.ts'
import type { Event, NewEvent } from '#model/event.ts'
import type { Leaving } from '#model/joined-site.ts'
import type { Lease } from '#model/lease.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Operation, OperationClaim } from '#model/operation.ts'
import type { Decision, Refusal, Start } from '#model/plan.ts'
import type { Preemption } from '#model/preemption.ts'
import type { Project } from '#model/project.ts'
import type { ListedRank, Rank, Serving } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { Node, Site, SiteReach } from '#model/site.ts'
import type { SpotFacts } from '#model/spot.ts'
import type { Wants, Workload, WorkloadState } from '#model/workload.ts'
import type { Idempotency } from './idempotency.ts'
import type { MarketHistory } from './market-history.ts'
import type { Figures } from './queries/figures.ts'
import type { Check, JoinedSites, Projects, Secrets } from './settings.ts'

/**
 * All that is remembered. Reads are grouped by noun; what a decision changes goes through `apply`, in one transaction.
 * Every method ends in one statement or one transaction, and none calls anything outside the database.
 */
export type Store = {
  workloads: Workloads
  placement: Placement
  follow: Follow
  operations: Operations
  agents: Agents
  sites: Sites
  joined: JoinedSites
  market: MarketHistory
  ledger: Ledger
  events: Events
  plans: Plans
  projects: Projects
  secrets: Secrets
  idempotency: Idempotency
  claims: Claims
  /** Throws a `StoreProblem` where a newer program brought the database up to date since it was opened (nudge `schema`). */
  requireSchema(): Promise<void>
  /** What one watches a house by. */
  figures(): Promise<Figures>
  /** Applies the changes of one decision, each guarded by its table of moves. Returns how many took effect. */
  apply(changes: Change[]): Promise<number>
  /**
   * Calls back after a commit that may interest a loop, in any control plane. A nudge says "look again"; `gone` names leases
   * that hold nothing any more, and `come` workloads that wait now. Whenever some may have been missed all are told.
   */
  onNudge(listen: (nudge: Nudge, ids: readonly string[]) => void): () => void
  /**
   * Deletes a batch of what is kept for a time only: answers to repeated requests, old events, plans that nobody
   * applied, and the attempts and tasks of what ended `endedMs` ago. Says whether more is left. Entries stay.
   */
  prune(options: { now: number; endedMs: number }): Promise<boolean>
  /** The same store, where each write is answered as it would be and taken back at once: nothing stays, and nobody is told. */
  rehearsal(): Store
  close(): Promise<void>
}

export type Nudge =
  | 'admit'
  | 'gone'
  | 'come'
  | 'launch'
  | 'retire'
  | 'follow'
  | 'events'
  | 'agents'
  | 'planes'
  | 'sites'
  | 'schema'

export type NewWorkload = Pick<
  Workload,
  'id' | 'name' | 'project' | 'kind' | 'spec' | 'bundle' | 'priority' | 'submittedBy'
>

export type WorkloadFilter = {
  project?: string
  name?: string
  kind?: string
  states?: WorkloadState[]
  label?: [string, string]
}

/** What a list of workloads may be ordered by. */
export const orderFields = ['createdAt', 'name', 'priority', 'project'] as const
export type OrderField = (typeof orderFields)[number]
export type Order = { by: OrderField; descending: boolean }[]

/** A page begins behind `after`, in its order: that of `order`, among equals the newest first. */
export type Page = { size: number; order?: Order; after?: Pick<Workload, OrderField | 'id'> }

/** A workload with what `ps` shows beside it. */
export type ListedWorkload = Workload & {
  ready: number
  replicas: number
  /** `provider/site` of its live leases. */
  sites: string[]
  priceMicros: number
  spentMicros: bigint
  tasks: { succeeded: number; failed: number; leased: number } | null
}

/** Who asks for a change, and when. */
export type By = { who: string; now: number; check?: Check<Workload> }

export type Workloads = {
  /** One transaction: rows, replicas and a `workload.submitted` event for each. */
  submit(workloads: NewWorkload[], now: number): Promise<void>
  get(id: string): Promise<ListedWorkload | null>
  /** By id, or the newest of that name in the project (live ones first). */
  find(project: string, nameOrId: string): Promise<ListedWorkload | null>
  list(filter: WorkloadFilter, page: Page): Promise<ListedWorkload[]>
  /** The workload as it is then; null when nothing was written: it has ended, is to stop, or is none. */
  want(id: string, wants: Wants, by: By): Promise<ListedWorkload | null>
  /** The workload as it is then; null when nothing was written: it has ended, or is none. */
  prioritise(id: string, priority: number, by: By): Promise<ListedWorkload | null>
  attempts(id: string): Promise<(Attempt & { lease: Lease | null; ranks: Rank[] })[]>
  refusal(id: string): Promise<Refusal | null>
  failedTasks(id: string, most: number): Promise<{ index: number; exitCode: number }[]> // of an array, by index
  /** Each service that has not ended, with `host:port` of its ready replicas; those of one name are one. */
  endpoints(): Promise<{ project: string; name: string; endpoints: string[] }[]>
  /** Bundles of those that may start again. */
  bundles(): Promise<string[]>
  /** Those that ended before, and of which `prune` left nothing but their rows. */
  expired(options: { before: number; most: number }): Promise<string[]>
  /** Deletes ended ones for good; their entries in the ledger stay. */
  forget(ids: string[]): Promise<void>
}

/**
 * `need`: who has the same is refused by the same, and is placed in the order of the queue. `start` is what it was
 * promised in the round before.
 */
export type WaitingReplica = { workload: Workload; replica: Replica; need: string; start?: Start | null }

export type Usage = { accelerators: number; cpuMilli: number; memoryMiB: number }

/** What the engine places: waiting replicas in queue order, and what is in the way. */
export type QueueSnapshot = {
  waiting: WaitingReplica[]
  /** Who runs on capacity that is not spot and may be planned on it, where that was asked. */
  running?: { workload: Workload; replica: Replica }[]
  /** There is more that was not read, beside what is asleep. */
  more: boolean
  /** There are more who were never told why they wait. */
  moreUntold: boolean
  /** Needs of which not all was read: how many there are before the first that was not. */
  unread: Map<string, number>
  /** Where those asleep are read on from in the next round. */
  after: string
  /** Live leases that occupy capacity. */
  leases: LiveLease[]
  projects: Project[]
  /** Who was made to leave for whom, lately or while both are still to end. */
  preemptions?: Preemption[]
  /** What is spent until now, by `project/<name>` and `workload/<id>`; nothing where there is no key. */
  spent: Map<string, bigint>
  /** The secret that a workload names and its project does not have, by workload. */
  missing?: Map<string, string>
  /** What was seen of spot markets, where somebody waits who is planned on them (`isPlannedToDeadline`). */
  spot?: SpotFacts
  /** One that is being left offers nothing. */
  sites: (SiteReach & { offers: Offer[]; nodes: Node[] | null; info: Site; leaving?: Leaving | null })[]
}

export type Placed = {
  decision: Decision
  attemptId: string
  leaseId: string
  operationId: string
  planId: string
  graceMs: number
}

/** So many of those behind a workload. */
export type After = { workload: string; most: number }

export type Behind = { need: string; createdAt: number; workload: string; replica: number }
/** Those of a need who come behind such a place in its line, and whether they are all. */
export type Next = { need: string; asked: QueueSnapshot['waiting']; isAll: boolean }

export type Placement = {
  /**
   * The first of each need, and more of each, up to `most`. Of needs that are `asleep` only the first so many are read, so that
   * a long line of those who find no room hides nobody; with them those that were never told why they wait, those to whom a
   * start is promised, and some `after` a workload.
   * With `moves` it is told of each lease whether it may be moved. A `few` leases are told apart, though they hold the same.
   * With `spot` it is told what was seen of spot markets, though nobody waits for them.
   * With `running` some are told who may go back to spot capacity, in the order of their workloads; all is empty where there
   * are none, and with `unlessIdle` when nothing waits.
   */
  snapshot(options: {
    now: number
    most: number
    asleep?: Map<string, number>
    after?: string | null
    unlessIdle?: boolean
    moves?: boolean
    few?: number
    spot?: boolean
    running?: After
  }): Promise<QueueSnapshot>
  /** Those of these workloads that may be placed. Null where that takes more to know: many, a budget, secrets, data. */
  come(workloads: readonly string[], now: number): Promise<QueueSnapshot['waiting'] | null>
  /** Who stands behind each of these in the line of its need, a few of each. Null where that takes more to know. */
  more(behind: readonly Behind[], now: number): Promise<Next[] | null>
  /** What each project held of late, on average with a half-life, accelerators in thousandths; none that held nothing. */
  usage(options: { now: number; halfLifeMs: number }): Promise<Map<string, Usage>>
  /** When the next replica may be placed that must not be yet, if any. */
  nextAt(now: number): Promise<number | null>
  /**
   * One transaction, only while `claim` still holds: attempt, lease (`wanted`), ranks, launch operation and plan of each
   * placed decision; refusals onto their workloads (written, and told as an event, only when the text changed). Who is to
   * leave for somebody begins to stop, unless one of those who were to leave together is no longer there. How many of the
   * placed were written, for some may not wait any more; null when somebody else has the claim.
   */
  commit(claim: Claim, placed: Placed[], refused: Decision[], now: number): Promise<number | null>
}

/** All there is to know to decide what follows for one workload. */
export type Facts = {
  /** Until when it is claimed for this decision. No claim of a workload ends as an earlier one did, so it names the claim. */
  claim: number
  workload: Workload
  replicas: Replica[]
  /** Live attempts, each with its latest lease. */
  attempts: (Attempt & { lease: Lease; ranks: Rank[] })[]
  /** Leases of ended attempts that are not gone yet. */
  leftovers: Lease[]
  tasks: { succeeded: number; failed: number; leased: number; waiting: number } | null
  /** What the ledger has of it and, where it has a budget, what it will have of the time until now. */
  spentMicros: bigint
  /** It was warned of its budget already. */
  warned: boolean
  /** Reach and patience of each site that a live lease is at, and how long nodes may take to come up there. */
  sites: Record<string, SiteReach & { askedAt: number; patienceMs: number; upWithinMs?: number | null }>
}

export type Follow = {
  /** Workloads that are due, claimed for `claimMs` by pushing their due time forward. */
  due(options: { now: number; most: number; claimMs: number }): Promise<Facts[]>
  /** When the next workload is due, if any. */
  nextDueAt(): Promise<number | null>
}

export type ClaimedOperation = Operation & {
  leaseRow: Lease & { graceMs: number; shape: string }
  workload: Workload
  attempt: Attempt
  replica: Replica
}

export type Operations = {
  /** Claims what is open and due; others skip it meanwhile. */
  claim(options: OperationClaim): Promise<ClaimedOperation[]>
  /** When the next open one of a kind is due or its claim runs out, as far as is known now; null while none is open. */
  nextAt(kind: Operation['kind'], now: number): Promise<number | null>
  /** Done, failed, or again at `retryAt`; with the changes that follow, in one transaction. False: the claim was lost. */
  settle(
    operation: Pick<Operation, 'id' | 'tries'> & { holder: string },
    result: OperationResult,
    changes: Change[],
  ): Promise<boolean>
}

export type OperationResult =
  | { state: 'done' | 'failed'; detail: string }
  | { state: 'intended'; retryAt: number; detail: string }

/** What an agent's sync needs. */
export type AgentView = {
  lease: Lease
  attempt: Attempt
  workload: Workload
  ranks: Rank[]
  /** A later attempt of the replica exists, or the attempt has ended otherwise. */
  fenced: boolean
}

export type Agents = {
  /** Null: there is no such lease. */
  view(lease: string): Promise<AgentView | null>
  /** Those of several leases, in one query: thousands of agents wait at the same time. */
  views(leases: string[]): Promise<Map<string, AgentView>>
  /** Writes what is new in a report and makes the workload due if it is. */
  report(lease: string, report: AgentReport, now: number): Promise<void>
  /** Notes that agents whose long polls are open are there: all of them in one statement. */
  heard(ranks: { lease: string; rank: number }[], now: number): Promise<void>
  /** Makes workloads due of which an agent was heard last between two instants: it has not been heard since `to`. */
  fellSilent(last: { from: number; to: number }, now: number): Promise<void>
  /** When an agent of a live lease at a site was heard last, by `provider/site`; where none ever was, nothing. */
  heardAt(sites: string[]): Promise<Map<string, number>>
  /** Ends tasks held by this attempt (others are ignored) and leases up to `wanted` more, in one transaction. */
  tasks(
    lease: string,
    report: NonNullable<AgentReport['tasks']>,
    now: number,
  ): Promise<{ leased: number[]; over: boolean }>
}

export type SeenRank = Pick<Rank, 'lease' | 'rank' | 'state' | 'exitCode' | 'startedAt' | 'endedAt'> &
  Partial<Pick<Rank, 'cause' | 'leavesAt'>> & { serving?: Serving; node?: string }

export type Sites = {
  list(): Promise<QueueSnapshot['sites']>
  put(site: Site, now: number): Promise<void>
  /** Forgets a site where nothing of ours is left; false when something still is, or it was joined by a command. */
  forget(site: string): Promise<boolean>
  /** What a round of offers brought. */
  offered(site: string, offers: Offer[], nodes: Node[] | null, now: number): Promise<void>
  /**
   * Told whenever a site was asked in vain, and when it answers again, by who holds the claim to ask it: of others nothing
   * is written. `since` is now. True, and an event, when the reach changed. Not asked for `lapseMs`, it is silent anew.
   * The detail of one that answers is what will keep us from it before long (`warning` of its provider): an event when there
   * is one where there was none.
   */
  reached(told: SiteReach, claim: Claim): Promise<boolean>
  /** How many leases at a site should be there. */
  count(site: string): Promise<number>
  /** How many nodes of each site are kept for gangs that are to come back to them; sites without any are left out. */
  kept(): Promise<Map<string, number>>
  /**
   * Of the leases at a site those that a listing shows otherwise than they are known: in a rank that has not exited (its
   * state, an earlier end, why it does not start), or not at all although it should be there.
   */
  differing(site: string, listed: ListedRank[]): Promise<(Lease & { ranksSeen: Rank[] })[]>
  /** Writes what a listing showed and makes the workloads due. A rank on another node of its lease changes places there. */
  saw(ranks: SeenRank[], now: number): Promise<void>
  /** Of leases that stood in line: since when something is held for them, and billed. What is billed already stays as it is. */
  began(leases: { lease: string; since: number }[], now: number): Promise<void>
  /** Which of these tokens have no lease row, or one that is over; `wasHeld`: it was billed, and has gone. */
  orphans(tokens: string[]): Promise<{ token: string; wasHeld: boolean }[]>
}

export type CostGroup = 'workload' | 'project' | 'provider' | 'site' | 'tier' | 'day' | 'hour'
export type CostFilter = { project?: string; workload?: string; from?: number; to?: number }

export type Ledger = {
  /** Leases with time to bill. */
  unmetered(most: number): Promise<Lease[]>
  /** Adds entries and moves `metered_until` in one transaction; an entry that exists already is left alone. */
  add(entries: Entry[]): Promise<void>
  /** What the ledger has and, with `until`, what it will have of the time until then. */
  spent(kind: 'workload' | 'project', names: string[], until?: number): Promise<Map<string, bigint>>
  cost(filter: CostFilter, groups: CostGroup[]): Promise<{ keys: string[]; amountMicros: bigint; leaseMs: bigint }[]>
  /** Records that a project was warned of its budget; true the first time, until the budget is another. */
  warnOnce(project: string, now: number): Promise<boolean>
}

export type Events = {
  add(events: NewEvent[], now: number): Promise<void>
  /** In order, after `cursor` (from the start without one). */
  since(cursor: string | null, options: { most: number; workload?: string; project?: string }): Promise<Event[]>
  /** The newest `most`, in order. */
  latest(options: { most: number; workload?: string; project?: string }): Promise<Event[]>
}

export type StoredPlan = {
  id: string
  decisions: Decision[]
  submission: unknown
  createdAt: number
  expiresAt: number | null
  appliedAt: number | null
}

export type Plans = {
  add(plan: Omit<StoredPlan, 'appliedAt'>): Promise<void>
  get(id: string): Promise<StoredPlan | null>
  /** Marks it applied; false when it was already. */
  applied(id: string, now: number): Promise<boolean>
  /** The decisions of a workload's attempts, by plan id. */
  ofWorkload(workload: string): Promise<StoredPlan[]>
}

/** Proof of a claim: void as soon as somebody else has a higher epoch. */
export type Claim = { name: string; holder: string; epoch: number }

export type Kept = Claim & { seconds: number }

export type Plane = { id: string; url: string }

export type Claims = {
  /** Takes or renews a claim for `seconds`; null when somebody else holds it. */
  take(name: string, holder: string, seconds: number): Promise<Claim | null>
  /** Renews claims, each for so many seconds from now; those that have not run out and are nobody else's come back. */
  keep(claims: readonly Kept[]): Promise<Claim[]>
  release(claim: Claim): Promise<void>
  /** Says that a control plane is alive and where, and keeps claims; returns all heard in the last 15 s. Of a new one a nudge tells. */
  announce(self: Plane, claims: readonly Kept[]): Promise<{ planes: Plane[]; kept: Claim[] }>
  /** Says that it has ended its work: nobody is sent to it any more, and its claims are free for whoever comes next. */
  withdraw(id: string): Promise<void>
}
