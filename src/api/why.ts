import { whyPlaced } from '#engine/explain/placed.ts'
import { whyWaits } from '#engine/explain/waiting.ts'
import { all } from '#engine/placement/words.ts'
import type { Refusal } from '#model/plan.ts'
import type { SiteReach } from '#model/site.ts'
import type { ListedWorkload, StoredPlan } from '#store/store.ts'
import { decisionView, refusalView, time } from './show.ts'
import type { ShownAttempt } from './show-attempt.ts'
import { workloadView } from './show-workload.ts'
import type { WhyView } from './views.ts'

type Facts = {
  row: ListedWorkload
  attempts: ShownAttempt[]
  plans: StoredPlan[]
  refusal: Refusal | null
  /** All that there are; of those where it is, what will keep us from them before long. */
  sites?: readonly SiteReach[]
}

/** Decisions that are told of; the newest. */
const mostDecisions = 20

/** Why a workload is as it is, in words that are the same on every surface. */
export function whyOf({ row, attempts, plans, refusal, sites = [] }: Facts): WhyView {
  const newestFirst = plans.toSorted((a, b) => b.createdAt - a.createdAt)
  const decisions = newestFirst
    .flatMap((plan) => plan.decisions.map((decision) => ({ plan, decision })))
    .filter(({ decision }) => decision.workload === row.id)
    .slice(0, mostDecisions)
  const waits = row.state === 'queued' ? refusal : null
  return {
    text: [headline(row), ...reasons(row, waits), ...history(attempts, newestFirst), ...warnings(row, sites)].join(
      '\n',
    ),
    cause: waits?.cause ?? causeOf(row),
    decisions: decisions.map(({ plan, decision }) => ({
      ...decisionView(decision),
      plan: plan.id,
      at: time(plan.createdAt),
      replica: decision.replica,
    })),
    refusal: waits && refusalView(waits),
    next: waits ? [...waits.next, ...(waits.cause === 'deadline' ? [`isobar stop ${row.id}`] : [])] : nextOf(row),
  }
}

const headline = (row: ListedWorkload): string => `${row.name} (${row.id}): ${workloadView(row).summary}`

function reasons(row: ListedWorkload, refusal: Refusal | null): string[] {
  if (!refusal) return row.reason === '' ? [] : [row.reason]
  return whyWaits(refusal)
}

/** How attempts ended and why they went where they went, the newest first; of those that fared alike only once. */
function history(attempts: ShownAttempt[], plans: StoredPlan[]): string[] {
  const byFate = Map.groupBy(
    attempts.toSorted((a, b) => b.number - a.number),
    (attempt) => {
      const decisions = plans.find(({ id }) => id === attempt.plan)?.decisions ?? []
      const decision = decisions.find(({ replica, placement }) => replica === attempt.replica && placement !== null)
      const ended = attempt.reason === '' ? attempt.state : `${attempt.state}: ${attempt.reason}`
      return `${ended}. ${decision ? whyPlaced(decision) : ''}`.trimEnd()
    },
  )
  return [...byFate].slice(0, mostDecisions).map(([fate, alike]) => `${namesOf(alike)} ${fate}`)
}

/** Of one that does not answer its attempts tell. */
const warnings = (row: ListedWorkload, sites: readonly SiteReach[]): string[] =>
  sites
    .filter(({ site, reach, detail }) => row.sites.includes(site) && reach === 'reachable' && detail !== '')
    .map(({ site, detail }) => `${site}: ${detail}`)

/** `Attempt 3`, `Attempts 1, 2 and 4`, `Attempts 1, 2, 3 and 40 more`. */
function namesOf(attempts: ShownAttempt[]): string {
  const numbers = attempts.map(({ number }) => number).sort((a, b) => a - b)
  const named = numbers.slice(0, numbers.length > mostDecisions ? 3 : mostDecisions)
  const more = numbers.length - named.length
  return `Attempt${numbers.length > 1 ? 's' : ''} ${all([...named.map(String), ...(more > 0 ? [`${more} more`] : [])])}`
}

function causeOf(row: ListedWorkload): string {
  if (row.wants === 'stop' && row.state !== 'stopped') return 'stop-asked'
  return row.state === 'queued' ? 'not-looked-at-yet' : row.state
}

function nextOf(row: ListedWorkload): string[] {
  switch (row.state) {
    case 'held':
      return [`isobar release ${row.id}`]
    case 'failed':
      return [
        ...limitOf(row).map((more) => `isobar run <file> (with ${more} in it)`),
        `isobar ${row.startedAt === null ? 'describe' : 'logs'} ${row.id}`,
      ]
    case 'queued':
    case 'starting':
    case 'stopping':
      return [`isobar wait ${row.id}`]
    case 'running':
      return [`isobar logs -f ${row.id}`]
    case 'stopped':
      return [row.wants === 'stop' ? `isobar describe ${row.id}` : `isobar run <file> (with ${moreOf(row)} in it)`]
    case 'succeeded':
      return [`isobar describe ${row.id}`]
  }
}

/** What a workload lacked that failed for a limit of its own; nothing where it failed by itself. */
function limitOf({ reason }: ListedWorkload): string[] {
  if (reason.startsWith('ran longer than its maximum')) return ['a longer duration.maximum']
  return reason.startsWith('did not end by its deadline') ? ['a later deadline'] : []
}

/** What a workload lacked that one of its own limits stopped. */
const moreOf = ({ spec: { expiry }, createdAt, endedAt }: ListedWorkload): string =>
  expiry !== undefined && endedAt !== null && endedAt >= createdAt + expiry ? 'a later expiry' : 'a higher budget.limit'
