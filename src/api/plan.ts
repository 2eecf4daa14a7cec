import { changed } from '#engine/explain/changed.ts'
import { place } from '#engine/placement/place.ts'
import { costMicros } from '#kit/money.ts'
import type { Decision } from '#model/plan.ts'
import { siteKey } from '#model/site.ts'
import { isPlannedToDeadline } from '#model/spec/planned-to-deadline.ts'
import { wantedReplicas, type Workload } from '#model/workload.ts'
import type { NewWorkload, QueueSnapshot, StoredPlan } from '#store/store.ts'
import type { ApiHouse } from './house.ts'
import { decisionView, money, refusalView, time, timeOrNull } from './show.ts'
import { freshRow } from './show-workload.ts'
import { newWorkloads, type Document } from './submit.ts'
import type { PlanDocumentView, PlanView } from './views.ts'

/** How long a plan may be applied. */
const validMs = 15 * 60_000
/** Replicas of one document that a plan looks at; what is true of so many is told of all. */
const mostReplicas = 500
/** Waiting workloads that a plan lets go first. */
const mostWaiting = 2000

/** What a plan keeps of the request, to be submitted when it is applied. */
type Submission = { documents: Document[]; skipped: PlanView['skipped'] }

/** A plan that was stored by `makePlan` keeps a submission; one of an attempt keeps none. */
export const submissionOf = (plan: StoredPlan): Submission | null => plan.submission as Submission | null

/** The workloads that a plan stands for: their ids come from its own, so that they exist once at the most. */
export const plannedWorkloads = (house: ApiHouse, plan: string, documents: Document[]): NewWorkload[] =>
  newWorkloads(house, documents, `plan ${plan}`)

/** Decides where documents would go now, and keeps the decision for a while. */
export async function makePlan(house: ApiHouse, documents: Document[]): Promise<StoredPlan> {
  const now = house.clock.now()
  const id = house.ids('p')
  const workloads = plannedWorkloads(house, id, documents)
  const snapshot = await snapshotOf(house, workloads, now)
  const submission: Submission = { documents, skipped: skippedOf(snapshot) }
  const plan = {
    id,
    decisions: decide(house, snapshot, workloads),
    submission,
    createdAt: now,
    expiresAt: now + validMs,
  }
  await house.store.plans.add(plan)
  return { ...plan, appliedAt: null }
}

const snapshotOf = (
  { store, movesPerHour = 0 }: ApiHouse,
  workloads: NewWorkload[],
  now: number,
): Promise<QueueSnapshot> => {
  const spot = workloads.some(({ spec }) => isPlannedToDeadline(spec))
  return store.placement.snapshot({ now, most: mostWaiting, moves: movesPerHour > 0, spot })
}

/** Where workloads of a plan would go now. */
export async function decideAgain(house: ApiHouse, workloads: NewWorkload[]): Promise<Decision[]> {
  const now = house.clock.now()
  return decide(house, await snapshotOf(house, workloads, now), workloads)
}

/** What fresh decisions say otherwise than the plan did; empty when the plan still holds. */
export function differenceOf(plan: StoredPlan, workloads: NewWorkload[], decisions: Decision[]): string[] {
  const fresh = new Map(decisions.map((decision) => [keyOf(decision), decision]))
  const difference = plan.decisions.flatMap((before) => {
    const after = fresh.get(keyOf(before))
    return after ? changed(before, after).map((text) => `${nameOf(workloads, before)}${text}`) : []
  })
  return [...new Set(difference)].slice(0, 20)
}

const keyOf = ({ workload, replica }: Decision): string => `${workload} ${replica}`

const nameOf = (workloads: NewWorkload[], { workload }: Decision): string =>
  workloads.length > 1 ? `${workloads.find(({ id }) => id === workload)?.name}: ` : ''

/** Places workloads that nobody submitted behind all that wait already. */
function decide(house: ApiHouse, snapshot: QueueSnapshot, workloads: NewWorkload[]): Decision[] {
  const { clock, steering, movesPerHour = 0 } = house
  const now = clock.now()
  const plan = steering?.plan()
  const asked = workloads.flatMap((one) => {
    const replicas = Math.min(mostReplicas, wantedReplicas(one.spec))
    const workload: Workload = freshRow(one, { now, replicas })
    return Array.from({ length: replicas }, (_, replica) => ({ workload, replica: waitingReplica(one.id, replica) }))
  })
  const ours = new Set(workloads.map(({ id }) => id))
  const facts = { ...snapshot, waiting: [...snapshot.waiting, ...asked] }
  const decisions = place({ snapshot: facts, now, movesPerHour, ...(plan && { plan }) })
  return decisions.filter(({ workload }) => ours.has(workload))
}

const waitingReplica = (workload: string, replica: number) => ({
  workload,
  replica,
  state: 'waiting' as const,
  losses: 0,
  failures: 0,
  notBefore: 0,
  avoid: {},
})

const skippedOf = (snapshot: QueueSnapshot): PlanView['skipped'] =>
  snapshot.sites
    .filter(({ reach }) => reach !== 'reachable')
    .map(({ info, reach, detail }) => ({ site: siteKey(info), why: detail === '' ? `it is ${reach}` : detail }))

export function planView(house: ApiHouse, plan: StoredPlan): PlanView {
  const { documents, skipped } = submissionOf(plan) ?? { documents: [], skipped: [] }
  const workloads = plannedWorkloads(house, plan.id, documents)
  const views = workloads.map((workload) => documentView(workload, plan.decisions))
  const costs = views.map(({ expectedCost }) => expectedCost)
  return {
    id: plan.id,
    createdAt: time(plan.createdAt),
    expiresAt: time(plan.expiresAt ?? plan.createdAt),
    appliedAt: timeOrNull(plan.appliedAt),
    documents: views,
    pricePerHour: sumOf(views.map(({ pricePerHour }) => pricePerHour)),
    expectedCost: costs.every((cost) => cost !== null) ? sumOf(costs) : null,
    skipped,
  }
}

function documentView({ id, name, project, kind, spec }: NewWorkload, all: Decision[]): PlanDocumentView {
  const decisions = all.filter(({ workload }) => workload === id).toSorted((a, b) => a.replica - b.replica)
  const replicas = wantedReplicas(spec)
  const placed = decisions.filter(({ placement }) => placement !== null)
  const first = decisions[0] ?? {
    workload: id,
    replica: 0,
    placement: null,
    alternatives: [],
    rejections: [],
    refusal: null,
  }
  const priceMicros = placed.reduce((sum, { placement }) => sum + (placement?.priceMicros ?? 0), 0)
  // Where a plan looked at the first replicas only, the rest is taken to cost as much.
  const price = decisions.length > 0 ? (BigInt(priceMicros) * BigInt(replicas)) / BigInt(decisions.length) : 0n
  const refused = decisions.find(({ refusal }) => refusal !== null)?.refusal
  const lasts = spec.duration.expectedMs ?? spec.duration.maximumMs
  return {
    name,
    project,
    kind,
    nodes: spec.nodes,
    replicas,
    placed: decisions.length > 0 ? Math.floor((placed.length * replicas) / decisions.length) : 0,
    ...decisionView(first),
    refusal: refused ? refusalView(refused) : null,
    pricePerHour: money(price),
    expectedCost: lasts === undefined ? null : money(costMicros(price, lasts)),
  }
}

const sumOf = (amounts: { micros: string }[]) => money(amounts.reduce((sum, { micros }) => sum + BigInt(micros), 0n))
