import { causeOf } from '#model/cause.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import { causeOfPod } from './causes.ts'
import { indexLabel, labels, rankContainer } from './names.ts'
import type { Job, Pod } from './wire.ts'

/** What became of each gang, from its Job and its pods: the pods know best, and the Job remembers those that are gone. */
export function sightingsOf(jobs: readonly Job[], pods: readonly Pod[]): Sighting[] {
  const byToken = Map.groupBy(pods, ({ metadata }) => metadata.labels[labels.token] ?? '')
  const jobOf = new Map(jobs.map((job) => [job.metadata.labels[labels.token] ?? '', job]))
  // Pods that outlive their Job are ours to see and to retire as well.
  const tokens = new Set([...jobOf.keys(), ...byToken.keys()])
  return [...tokens].map((token) => sightingOf(token, jobOf.get(token), byToken.get(token) ?? []))
}

function sightingOf(token: string, job: Job | undefined, pods: readonly Pod[]): Sighting {
  const of = (job ?? pods[0])?.metadata.labels ?? {}
  const byRank = Map.groupBy(pods, rankOf)
  const count = job?.spec.completions ?? Math.max(0, ...byRank.keys()) + 1
  const succeeded = numbersOf(job?.status.completedIndexes)
  const failed = numbersOf(job?.status.failedIndexes)
  const ranks = Array.from({ length: count }, (_, rank): RankSighting => {
    const pod = latest(byRank.get(rank) ?? [])
    if (pod) return sightPod(rank, pod, job)
    if (succeeded.has(rank)) return { ...unseen(rank), state: 'exited', exitCode: 0 }
    return failed.has(rank) ? { ...unseen(rank), state: 'lost' } : unseen(rank)
  })
  return { token, workload: of[labels.workload] ?? '', attempt: Number(of[labels.attempt] ?? 0), ranks }
}

const unseen = (rank: number): RankSighting => ({
  rank,
  state: 'expected',
  exitCode: null,
  startedAt: null,
  endedAt: null,
})

function rankOf({ metadata }: Pod): number {
  const index = Number(metadata.labels[indexLabel] ?? metadata.annotations[indexLabel])
  return Number.isInteger(index) && index >= 0 ? index : 0
}

const latest = (pods: readonly Pod[]): Pod | undefined =>
  pods.toSorted((a, b) => time(b.metadata.creationTimestamp, 0) - time(a.metadata.creationTimestamp, 0))[0]

/**
 * A rank from its pod. An exit that the cluster brought about (eviction, preemption, a node that is drained or gone, a pod
 * that somebody deleted) is no exit of the program: such a rank is lost. Of a node that does not answer only its eviction
 * tells; until then its ranks are as they were. Who is told to leave has notice, since it was told.
 */
export function sightPod(rank: number, pod: Pod, job?: Job): RankSighting {
  const { status } = pod
  const { running, terminated } = status?.containerStatuses?.find(({ name }) => name === rankContainer)?.state ?? {}
  const disruption = status?.conditions.find(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True')
  const isTaken = disruption !== undefined || hasPodFailed(pod) || isDeletedAlone(pod, job)
  const startedAt = orNull(terminated?.startedAt ?? running?.startedAt)
  const cause = causeOfPod(pod) ?? (terminated && isDeletedAlone(pod, job) ? deleted : null)
  const shown = { rank, startedAt, endedAt: orNull(terminated?.finishedAt) ?? startedAt, ...(cause && { cause }) }
  if (terminated && isTold(terminated.reason) && (terminated.exitCode === 0 || !isTaken))
    return { ...shown, state: 'exited', exitCode: terminated.exitCode }
  const isOver = terminated != null || status?.phase === 'Failed' || disruption?.reason === 'DeletionByTaintManager'
  if (isOver) return { ...shown, state: 'lost', exitCode: null }
  if (status?.phase === 'Succeeded') return { ...shown, state: 'exited', exitCode: 0 }
  const leavesAt = orNull(disruption?.lastTransitionTime)
  const now = { ...shown, exitCode: null, endedAt: null, ...(leavesAt !== null && { leavesAt }) }
  return running ? { ...now, state: 'running' } : { ...now, state: 'expected' }
}

/** It failed as a whole, not by what its containers did: a kubelet that evicts for want of disk sets no condition. */
const hasPodFailed = ({ status }: Pod): boolean => status?.phase === 'Failed' && (status.reason ?? '') !== ''

/** We delete its Job with it. */
const isDeletedAlone = ({ metadata }: Pod, job: Job | undefined): boolean =>
  metadata.deletionTimestamp != null && job !== undefined && job.metadata.deletionTimestamp == null

const deleted = causeOf('evicted', 'its pod was deleted', 'the audit log of the cluster may say by whom')

/** A kubelet that lost sight of a container makes up an exit code of 137. */
const isTold = (reason: string | null | undefined): boolean => reason !== 'ContainerStatusUnknown'

/** `0-2,5` as numbers. */
export function numbersOf(text: string | null | undefined): Set<number> {
  const numbers = new Set<number>()
  for (const part of (text ?? '').split(',')) {
    const [first = Number.NaN, last = first] = part === '' ? [] : part.split('-').map(Number)
    for (let at = first; at <= last; at++) numbers.add(at)
  }
  return numbers
}

const time = <T>(text: string | null | undefined, otherwise: T): number | T => {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? otherwise : at
}

const orNull = (text: string | null | undefined): number | null => time(text, null)
