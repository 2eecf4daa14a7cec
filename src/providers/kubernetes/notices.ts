import { type Cause, causeOf, type CauseKind } from '#model/cause.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { KubernetesNode } from './wire.ts'

/**
 * Taints by which clouds and autoscalers say that a node is about to go, as their documentation has them. What only may come
 * to that is none: `DeletionCandidateOfClusterAutoscaler`, `aws-node-termination-handler/rebalance-recommendation`.
 */
const known: ReadonlyMap<string, CauseKind> = new Map([
  ['cloud.google.com/impending-node-termination', 'preempted'],
  ['aws-node-termination-handler/spot-itn', 'preempted'],
  ['aws-node-termination-handler/asg-lifecycle-termination', 'maintenance'],
  ['aws-node-termination-handler/scheduled-maintenance', 'maintenance'],
  ['remediator.kubernetes.azure.com/unschedulable', 'maintenance'],
  ['karpenter.sh/disrupted', 'maintenance'],
  ['ToBeDeletedByClusterAutoscaler', 'maintenance'],
])

type Taint = KubernetesNode['spec']['taints'][number]

/** The taint by which a node is said to go soon. `own`: keys of taints that mean that in this cluster, too. */
export const noticeIn = (taints: readonly Taint[], own: readonly string[] = []): Taint | undefined =>
  taints.find(({ key }) => known.has(key) || own.includes(key))

type Notice = { key: string; at: number; cause: Cause }

/** Which nodes of a cluster have been told to go, and since when. */
export type Notices = {
  /** All nodes as they are now. True where what they say of their end is not what they said before. */
  take(nodes: Iterable<KubernetesNode>): boolean
  /** The same gangs, with notice for the ranks on such nodes. */
  tell(seen: Sighting[]): Sighting[]
}

/** Not every taint tells its time: one that does not is from when we saw it first, so that is kept from list to list. */
export function createNotices(own?: readonly string[], now: () => number = Date.now): Notices {
  let told: ReadonlyMap<string, Notice> = new Map()
  return {
    take(nodes) {
      const next = new Map<string, Notice>()
      for (const { metadata, spec } of nodes) {
        const { name } = metadata
        const before = told.get(name)
        const taint = noticeIn(spec.taints, own)
        if (!taint) continue
        const { key, timeAdded } = taint
        const cause = causeOf(known.get(key) ?? 'maintenance', `taint ${key}`, `kubectl describe node ${name}`)
        next.set(name, before?.key === key ? before : { key, at: timeOf(timeAdded, now()), cause })
      }
      const isNews = next.size !== told.size || [...next].some(([name, notice]) => told.get(name) !== notice)
      told = next
      return isNews
    },
    tell: (seen) =>
      told.size === 0 ? seen : seen.map((one) => ({ ...one, ranks: one.ranks.map((rank) => leaving(rank, told)) })),
  }
}

const timeOf = (text: string | null | undefined, otherwise: number): number => {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? otherwise : at
}

/** What its own pod says of its end is known better. */
function leaving(rank: RankSighting, told: ReadonlyMap<string, Notice>): RankSighting {
  const notice = told.get(rank.node ?? '')
  if (!notice || rank.leavesAt !== undefined || rank.state === 'exited' || rank.state === 'lost') return rank
  return { ...rank, leavesAt: notice.at, cause: rank.cause ?? notice.cause }
}
