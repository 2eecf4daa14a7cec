import { z } from 'zod'

import { Name, ProviderName, Tier } from '#model/names.ts'
import { Bound, Offer, OfferTerms } from '#model/offer.ts'
import { Shape } from '#model/resources.ts'
import { Wants, WorkloadState } from '#model/workload.ts'

import { candidate, DeadlineView, MoneyView, RuleCostView, RunView } from './run-views.ts'

// Everything that the API takes and gives. Programs rely on it: fields are added, never renamed or taken away.

const time = z.iso.datetime({ offset: true }).meta({ description: 'RFC 3339.' })
const kind = z.enum(['job', 'service', 'array'])
const leaseState = z.enum(['wanted', 'starting', 'held', 'stopping', 'lost', 'gone', 'refused'])
const listOf = <T extends z.ZodType>(item: T, id: string) => z.object({ items: z.array(item) }).meta({ id })

/** What is wrong at one place of a spec file. */
export const SpecProblemView = z
  .object({
    line: z.int().meta({ description: 'From 1.' }),
    column: z.int().meta({ description: 'From 1.' }),
    path: z.string(),
    message: z.string(),
    fix: z.string(),
    caret: z.string().meta({ description: 'The line, and a caret under the place.' }),
  })
  .meta({ id: 'SpecProblem' })
export type SpecProblemView = z.infer<typeof SpecProblemView>

/** The closed list of what may go wrong, for programs. */
export const ProblemCode = z.enum([
  'usage',
  'invalid-spec',
  'not-found',
  'unauthenticated',
  'forbidden',
  'conflict',
  'changed',
  'plan-changed',
  'plan-expired',
  'no-capacity',
  'over-budget',
  'policy',
  'still-running',
  'too-large',
  'too-many',
  'unavailable',
  'internal',
])
export type ProblemCode = z.infer<typeof ProblemCode>

/** An error as RFC 9457 has it, and what to do about it. */
export const ProblemView = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'What happened and why, for people.' }),
    code: ProblemCode,
    next: z.array(z.string()).meta({ description: 'Commands that help, the best first.' }),
    requestId: z.string(),
    retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
    problems: z.array(SpecProblemView).optional(),
    difference: z.array(z.string()).optional().meta({ description: 'What changed since the plan was made.' }),
  })
  .meta({ id: 'Problem' })
export type ProblemView = z.infer<typeof ProblemView>

/** One thing that is true of a workload or not, or that nobody knows. */
export const ConditionView = z
  .object({
    type: z.enum(['Admitted', 'Started', 'Ready', 'Reachable', 'Ended']),
    status: z.enum(['true', 'false', 'unknown']),
    reason: z.string().meta({ description: 'One word for programs.' }),
    message: z.string(),
    lastTransitionTime: time.nullable(),
  })
  .meta({ id: 'Condition' })
export type ConditionView = z.infer<typeof ConditionView>

export const RankView = z
  .object({
    rank: z.int(),
    state: z.enum(['expected', 'arrived', 'running', 'exited', 'lost']),
    address: z.string().nullable(),
    exitCode: z.int().nullable(),
    role: z.string().nullable().meta({ description: 'What it does; null where the workload has no roles.' }),
    node: z.string().nullable().meta({ description: 'The node that it is on; null where the provider chooses it.' }),
  })
  .meta({ id: 'Rank' })

export const AttemptView = z
  .object({
    id: z.string(),
    number: z.int(),
    replica: z.int(),
    state: z.enum(['starting', 'running', 'stopping', 'succeeded', 'failed', 'stopped', 'refused', 'lost']),
    ready: z.boolean(),
    exitCode: z.int().nullable(),
    reason: z.string(),
    site: z.string().nullable().meta({ description: 'provider/name' }),
    tier: z.string().nullable(),
    pricePerHour: MoneyView,
    spent: MoneyView,
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    ranks: z.array(RankView),
    lease: z.object({ id: z.string(), state: leaseState }).nullable(),
  })
  .meta({ id: 'Attempt' })
export type AttemptView = z.infer<typeof AttemptView>

export const WorkloadView = z
  .object({
    id: z.string(),
    name: z.string(),
    project: z.string(),
    kind,
    state: WorkloadState,
    summary: z.string().meta({ description: 'Its state in a few words for people; made on the server only.' }),
    reason: z.string().meta({ description: 'Why it is so, in one line.' }),
    wants: Wants,
    priority: z.int(),
    ready: z.int().meta({ description: 'Replicas that can do their work now.' }),
    replicas: z.int(),
    tasks: z.object({ total: z.int(), succeeded: z.int(), failed: z.int(), leased: z.int() }).nullable(),
    sites: z.array(z.string()),
    pricePerHour: MoneyView.meta({ description: 'What its live leases cost in an hour.' }),
    spent: MoneyView.meta({ description: 'What the ledger has of it: it gets a line from time to time.' }),
    exitCode: z.int().nullable(),
    attempts: z.int(),
    submittedBy: z.string(),
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    expiresAt: time.nullable().meta({ description: 'When its expiry stops it, whatever it does then.' }),
    labels: z.record(z.string(), z.string()),
    endpoints: z.array(z.string()).meta({ description: 'host:port of each ready replica of a service.' }),
  })
  .meta({ id: 'Workload' })
export type WorkloadView = z.infer<typeof WorkloadView>

export const WorkloadDetail = WorkloadView.extend({
  spec: z.record(z.string(), z.unknown()).meta({ description: 'The spec as the house keeps it: units in names.' }),
  attemptList: z.array(AttemptView).meta({ description: 'Newest first.' }),
  conditions: z.array(ConditionView),
  failedTasks: z
    .array(z.object({ index: z.int(), exitCode: z.int() }))
    .meta({ description: 'The first 20 tasks of an array that failed, by index; tasks.failed counts them all.' }),
}).meta({ id: 'WorkloadDetail' })
export type WorkloadDetail = z.infer<typeof WorkloadDetail>

export const WorkloadPage = z
  .object({ items: z.array(WorkloadView), nextPageToken: z.string().nullable() })
  .meta({ id: 'WorkloadPage' })
export type WorkloadPage = z.infer<typeof WorkloadPage>

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')

/** The text of a spec file and what goes with it. */
export const SpecRequest = z
  .strictObject({
    text: z.string().max(10_000_000).meta({ description: 'YAML or JSON, one or several documents.' }),
    filename: z.string().max(1000).default('spec.yaml').meta({ description: 'For messages.' }),
    bundles: z
      .record(z.string().regex(/^\d{1,4}$/), Sha256)
      .default({})
      .meta({ description: 'Hash of the packed workdir by index of the document, from 0.' }),
    project: Name.optional().meta({ description: 'For documents that name no project.' }),
  })
  .meta({ id: 'SpecRequest' })
export type SpecRequest = z.input<typeof SpecRequest>

export const ValidateView = z
  .object({
    documents: z.array(
      z.object({
        kind,
        name: z.string(),
        project: z.string(),
        workdir: z.string().nullable(),
        nodes: z.int(),
        replicas: z.int(),
        tasks: z.int().nullable(),
      }),
    ),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Validation' })
export type ValidateView = z.infer<typeof ValidateView>

/** What was submitted: one workload for each document. */
export const SubmittedView = z.object({ workloads: z.array(WorkloadView) }).meta({ id: 'Submitted' })
export type SubmittedView = z.infer<typeof SubmittedView>

export const RejectionView = z.object({ ...candidate, rule: z.string(), detail: z.string() }).meta({ id: 'Rejection' })
export type RejectionView = z.infer<typeof RejectionView>
export const RefusalView = z
  .object({
    cause: z.string(),
    impossible: z.boolean().optional().meta({ description: 'Waiting does not help.' }),
    text: z.string(),
    best: RejectionView.optional(),
    frees: z.string().optional(),
    ahead: z
      .array(z.string())
      .optional()
      .meta({ description: 'Some of those that go before it, the first of them first.' }),
    start: z
      .object({ earliest: z.string(), latest: z.string(), site: z.string() })
      .optional()
      .meta({ description: 'When it is expected to start, if what runs there ends when it said.' }),
    lines: z.array(z.string()).meta({ description: 'All of this for people.' }),
    next: z.array(z.string()).meta({ description: 'Commands that help, the best first.' }),
  })
  .meta({ id: 'Refusal' })
export type RefusalView = z.infer<typeof RefusalView>

export const PlacementView = z
  .object({
    site: z.string().meta({ description: 'provider/name' }),
    tier: z.string(),
    shape: z.string().meta({ description: 'Of its nodes; of several, joined by ` + `.' }),
    nodes: z.int(),
    pricePerHour: MoneyView,
    run: RunView.optional(),
    beside: z
      .object({
        exclusive: z.enum(['node', 'nvlink', 'block']).optional(),
        spares: z.array(z.string()).optional(),
      })
      .optional()
      .meta({ description: 'What is kept from others: domains of a level, and nodes that stay free.' }),
  })
  .meta({ id: 'Placement' })
export type PlacementView = z.infer<typeof PlacementView>

export const PlanDocumentView = z
  .object({
    name: z.string(),
    project: z.string(),
    kind,
    nodes: z.int().meta({ description: 'Of one replica.' }),
    replicas: z.int(),
    placed: z.int().meta({ description: 'Replicas that have a place now.' }),
    placement: PlacementView.nullable().meta({ description: 'Of the first replica.' }),
    alternatives: z.array(z.object({ ...candidate, pricePerHour: MoneyView, run: RunView.optional() })),
    rejections: z.array(RejectionView),
    ruleCosts: z.array(RuleCostView).meta({ description: 'What each rule costs the run, the dearest first.' }),
    deadline: DeadlineView.optional(),
    refusal: RefusalView.nullable(),
    pricePerHour: MoneyView.meta({ description: 'Of all replicas that have a place.' }),
    expectedCost: MoneyView.nullable().meta({ description: 'Null without an expected or maximum duration.' }),
  })
  .meta({ id: 'PlanDocument' })
export type PlanDocumentView = z.infer<typeof PlanDocumentView>

export const PlanView = z
  .object({
    id: z.string(),
    createdAt: time,
    expiresAt: time,
    appliedAt: time.nullable(),
    documents: z.array(PlanDocumentView),
    pricePerHour: MoneyView,
    expectedCost: MoneyView.nullable(),
    skipped: z
      .array(z.object({ site: z.string(), why: z.string() }))
      .meta({ description: 'Sites that could not be asked, so that the plan may be worse than it could be.' }),
  })
  .meta({ id: 'Plan' })
export type PlanView = z.infer<typeof PlanView>

export const PriorityRequest = z.strictObject({ priority: z.int().min(-1000).max(1000) })
export type PriorityRequest = z.input<typeof PriorityRequest>

const DecisionView = PlanDocumentView.pick({
  placement: true,
  alternatives: true,
  rejections: true,
  ruleCosts: true,
  deadline: true,
  refusal: true,
})
export const WhyView = z
  .object({
    text: z.string().meta({ description: 'The whole answer for people, several lines.' }),
    cause: z.string().meta({ description: 'One word for programs: the dominant cause.' }),
    decisions: z.array(DecisionView.extend({ plan: z.string(), at: time, replica: z.int() })),
    refusal: RefusalView.nullable(),
    next: z.array(z.string()).meta({ description: 'Commands that help, the best first.' }),
  })
  .meta({ id: 'Why' })
export type WhyView = z.infer<typeof WhyView>

export const EventView = z
  .object({
    cursor: z.string(),
    at: time,
    type: z.string(),
    workload: z.string().nullable(),
    project: z.string().nullable(),
    message: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event' })
export type EventView = z.infer<typeof EventView>

export const EventPage = z
  .object({ items: z.array(EventView), next: z.string().nullable().meta({ description: 'The next `after`.' }) })
  .meta({ id: 'EventPage' })
export type EventPage = z.infer<typeof EventPage>

export const OfferView = z
  .object({
    site: z.string().meta({ description: 'provider/name' }),
    provider: ProviderName,
    tier: Tier,
    shape: Shape,
    divisible: z.boolean(),
    pricePerHour: MoneyView,
    available: z.int().nullable(),
    bounds: z.array(Bound).meta({ description: 'What one order may have there at the most.' }),
    jurisdictions: z.array(z.string()),
    reach: z.enum(['reachable', 'unreachable', 'denied']),
    source: z.string(),
    terms: OfferTerms,
    pools: Offer.shape.pools.unwrap(),
    asOf: time,
  })
  .meta({ id: 'Offer' })
export type OfferView = z.infer<typeof OfferView>

export const OfferList = listOf(OfferView, 'OfferList')
export type OfferList = z.infer<typeof OfferList>

export const LeavingView = z
  .object({
    since: time,
    stop: z.boolean().meta({ description: 'What runs there is told to leave, too.' }),
    gone: z.boolean().meta({ description: 'It is gone for good, as somebody said: it is not asked any more.' }),
    remains: z
      .array(
        z.object({
          what: z.string(),
          fix: z.string().nullable().meta({ description: 'What somebody has to do about it; null where it goes.' }),
        }),
      )
      .meta({ description: 'What is still there of ours, when it was looked at last.' }),
  })
  .meta({ id: 'Leaving' })
export type LeavingView = z.infer<typeof LeavingView>

export const SiteView = z
  .object({
    site: z.string().meta({ description: 'provider/name' }),
    jurisdictions: z.array(z.string()),
    patienceMs: z.int(),
    reach: z.enum(['reachable', 'unreachable', 'denied']),
    since: time,
    detail: z.string().meta({ description: 'Why it does not answer, or what will keep us from it before long.' }),
    nodes: z.int().nullable().meta({ description: 'Of its inventory; null where the provider keeps that.' }),
    offers: z.int(),
    leases: z.int().meta({ description: 'Live leases of ours.' }),
    kept: z
      .int()
      .meta({ description: 'Nodes that nobody else is given: a gang that lost others is to come back to them.' }),
    leaving: LeavingView.nullable().meta({
      description: 'It takes no new work, and is forgotten once nothing of ours is there.',
    }),
  })
  .meta({ id: 'Site' })
export type SiteView = z.infer<typeof SiteView>

export const SiteList = listOf(SiteView, 'SiteList')
export type SiteList = z.infer<typeof SiteList>

export const CostGroupName = z.enum(['workload', 'project', 'provider', 'site', 'tier', 'day', 'hour'])
export const CostView = z
  .object({
    by: z.array(CostGroupName),
    rows: z.array(
      z.object({
        keys: z.array(z.string()).meta({ description: 'In the order of `by`.' }),
        amount: MoneyView,
        leaseHours: z.number(),
      }),
    ),
    total: MoneyView,
  })
  .meta({ id: 'Cost' })
export type CostView = z.infer<typeof CostView>

export const SecretView = z.object({ name: z.string(), project: z.string(), updatedAt: time })
export const SecretList = listOf(SecretView, 'SecretList')
export type SecretList = z.infer<typeof SecretList>

/** A line of a log that is read as records: `bytes` in base64 (none in the first of a rank), and where to go on then. */
export type LogRecord = { rank: number; attempt: number; next: number; bytes: string }
