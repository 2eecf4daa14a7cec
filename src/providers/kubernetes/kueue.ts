import { z } from 'zod'

import { type Cause, causeOf, type CauseKind } from '#model/cause.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { RankSighting } from '#providers/provider.ts'
import type { Client } from './client.ts'
import { isUnserved, kueuePath, kueueVersions } from './kueue-version.ts'
import { pagesOf } from './pages.ts'

/** Where the work of a site stands in line for the quota of its cluster: a LocalQueue of Kueue in its namespace. */
export type Queue = {
  name: string
  /** A WorkloadPriorityClass. */
  priority: string | undefined
  /** A label of nodes by which Kueue keeps a gang together where it can. */
  topology: string | undefined
}

/** Changed only while a Job is suspended: with it, Kueue has a say in when the Job is let go. */
export const queueLabel = 'kueue.x-k8s.io/queue-name'

/** What a Job tells Kueue from the start. */
export const queueMarks = (queue: Queue | undefined): Record<string, string> =>
  queue?.priority === undefined ? {} : { 'kueue.x-k8s.io/priority-class': queue.priority }

/** What the pods of a gang ask of Kueue: preferred only, since their nodes are chosen already. */
export const podSetAnnotations = (queue: Queue | undefined): Record<string, string> =>
  queue?.topology === undefined ? {} : { 'kueue.x-k8s.io/podset-preferred-topology': queue.topology }

/** Whether the queue is there: without Kueue a Job would wait for ever. */
export async function findQueue(
  { client, namespace, queue }: { client: Client; namespace: string; queue: Queue },
  signal: AbortSignal,
): Promise<Outcome<null>> {
  const found = await client.ask({
    path: `${kueuePath(namespace)}/localqueues/${encodeURIComponent(queue.name)}`,
    signal,
  })
  if (found.ok) return succeed(null)
  if (found.refusal?.status !== 404) return { ok: false, fault: found.fault }
  const why = isUnserved(found)
    ? `its API server serves kueue.x-k8s.io neither in ${kueueVersions.join(' nor in ')}`
    : `namespace ${namespace} has no LocalQueue ${queue.name}`
  return fail('invalid', 'elsewhere', `${why}; correct \`queue\` of the site, or leave it out`)
}

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().nullish(),
  message: z.string().nullish(),
  lastTransitionTime: z.string(),
})

/** Kueue's own object for a Job, as far as we read it. */
export const Workload = z.object({
  metadata: z.object({
    uid: z.string(),
    ownerReferences: z.array(z.object({ uid: z.string() })).nullish(),
    creationTimestamp: z.string(),
  }),
  status: z
    .object({
      conditions: z.array(Condition).nullish(),
      admissionChecks: z.array(z.object({ name: z.string(), state: z.string(), message: z.string() })).nullish(),
      schedulingStats: z
        .object({ evictions: z.array(z.object({ reason: z.string(), count: z.int() })).nullish() })
        .nullish(),
    })
    .nullish(),
})
export type Workload = z.output<typeof Workload>

/** What Kueue has said of a Job. `evictedAt` stays, whatever it does with the Job afterwards: no gang starts twice. `admittedAt` is of now. */
export type Word = { cause: Cause | null; evictedAt: number | null; admittedAt: number | null }

/** Where all is that Kueue says in a namespace. */
export const workloadsPath = (namespace: string): string => `${kueuePath(namespace)}/workloads?`

/** All that Kueue says in a namespace, by the uid of the Job, or of the pods of a group. */
export async function askQueue(
  { client, namespace }: { client: Client; namespace: string },
  signal: AbortSignal,
): Promise<Outcome<Map<string, Word>>> {
  const found = await pagesOf({ client, path: workloadsPath(namespace), item: Workload }, signal)
  return found.ok ? succeed(wordsOf(found.value)) : found
}

export const wordsOf = (workloads: Iterable<Workload>): Map<string, Word> =>
  new Map(
    [...workloads].flatMap((workload) => {
      const word = wordOf(workload)
      return (workload.metadata.ownerReferences ?? []).map(({ uid }) => [uid, word] as const)
    }),
  )

/** Why Kueue takes a Job's quota back, by its reasons. Any other is an eviction. */
const evictions: Record<string, CauseKind> = {
  Preempted: 'preempted',
  NodeFailures: 'node-lost',
  MaximumExecutionTimeExceeded: 'deadline',
}

/** What else helps than to try again. */
const outrank = 'name a higher WorkloadPriorityClass in `queuePriority` of the site'

function wordOf({ metadata, status }: Workload): Word {
  const conditionOf = (type: string) => status?.conditions?.find((one) => one.type === type)
  const evicted = conditionOf('Evicted')
  const counted = status?.schedulingStats?.evictions?.findLast(({ count }) => count > 0)
  if (evicted || counted) {
    const isNow = evicted?.status === 'True'
    // Once it is admitted again the condition says only what was said before; v1beta1 counts nothing.
    const before = counted?.reason ?? (conditionOf('Preempted') ? 'Preempted' : '')
    const reason = (isNow ? evicted.reason : before) ?? ''
    const said = isNow || !counted ? evicted?.message?.replace(/^Previously: /, '') : undefined
    const detail = `Kueue: ${said ?? reason}`
    const at = Date.parse(evicted?.lastTransitionTime ?? metadata.creationTimestamp)
    const fix = reason === 'Preempted' ? outrank : undefined
    return { cause: causeOf(evictions[reason] ?? 'evicted', detail, fix), evictedAt: at, admittedAt: null }
  }
  const admitted = conditionOf('Admitted')
  if (admitted?.status === 'True')
    return { cause: null, evictedAt: null, admittedAt: Date.parse(admitted.lastTransitionTime) }
  const pending = status?.admissionChecks?.find(({ state }) => state !== 'Ready')
  const quota = conditionOf('QuotaReserved')
  const detail =
    quota?.status === 'True' && pending ? `admission check ${pending.name}: ${pending.message}` : (quota?.message ?? '')
  return { cause: detail === '' ? null : causeOf('queued', `Kueue: ${detail}`), evictedAt: null, admittedAt: null }
}

/**
 * A rank in the light of what Kueue has said of its Job. What ended after Kueue took the quota back did not end by itself;
 * what still runs then has notice.
 */
export function underQueue(rank: RankSighting, word: Word | undefined): RankSighting {
  if (!word) return rank
  const { cause, evictedAt } = word
  if (evictedAt === null) return cause && rank.state === 'expected' && !rank.cause ? { ...rank, cause } : rank
  const told = { ...rank, ...(cause && { cause }) }
  if (rank.state === 'running') return { ...told, leavesAt: Math.min(evictedAt, rank.leavesAt ?? Infinity) }
  const isOwn = rank.state === 'exited' && (rank.exitCode === 0 || (rank.endedAt ?? Infinity) < evictedAt)
  return isOwn ? rank : { ...told, state: 'lost', exitCode: null }
}
