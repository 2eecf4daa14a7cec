import { causeOf } from '#model/cause.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import { causeOfPod } from './causes.ts'
import { underQueue, type Word } from './kueue.ts'
import { indexLabel, labels, rankContainer, ranksAnnotation, wholeAnnotation } from './names.ts'
import { servingOf } from './serving.ts'
import type { Job, Pod } from './wire.ts'

/**
 * What became of each gang, from its Job and its pods: the pods know best, and the Job remembers those that are gone.
 * `words`: what Kueue has said of Jobs, where they stand in a queue of it.
 */
export function sightingsOf(jobs: readonly Job[], pods: readonly Pod[], words?: ReadonlyMap<string, Word>): Sighting[] {
  const byToken = Map.groupBy(pods, ({ metadata }) => metadata.labels[labels.token] ?? '')
  const jobsOf = Map.groupBy(jobs, ({ metadata }) => metadata.labels[labels.token] ?? '')
  // Pods that outlive their Job are ours to see and to retire as well.
  const tokens = new Set([...jobsOf.keys(), ...byToken.keys()])
  return [...tokens].map((token) => {
    const its = jobsOf.get(token) ?? []
    const own = byToken.get(token) ?? []
    const seen = sightingOf(token, its, own)
    if (!words) return seen
    // Of a gang whose pods no Job makes, Kueue speaks of the pods.
    const word = [...its, ...own].map(({ metadata }) => words.get(metadata.uid)).find((one) => one)
    const ranks = seen.ranks.map((rank) => underQueue(rank, word))
    return { ...seen, ranks, heldSince: word?.admittedAt ?? firstStart(ranks) }
  })
}

function sightingOf(token: string, jobs: readonly Job[], pods: readonly Pod[]): Sighting {
  const of = (jobs[0] ?? pods[0])?.metadata.labels ?? {}
  const byRank = Map.groupBy(pods, rankOf)
  // Of a gang that is just being made not all Jobs may be there yet: the first of them knows how many ranks it has.
  const told = Math.max(0, ...jobs.map((job) => Number(job.metadata.annotations[ranksAnnotation] ?? 0)))
  const ends = jobs.map((job) => firstOf(job) + (job.spec.completions ?? 0))
  const count = Math.max(told, ...ends, ...[...byRank.keys()].map((rank) => rank + 1))
  const isWhole = jobs.some(({ metadata }) => wholeAnnotation in metadata.annotations)
  const succeeded = ranksOf(jobs, ({ status }) => status.completedIndexes)
  const failed = ranksOf(jobs, ({ status }) => status.failedIndexes)
  const ranks = Array.from({ length: count }, (_, rank): RankSighting => {
    const pod = latest(byRank.get(rank) ?? [])
    if (pod)
      return sightPod(
        rank,
        pod,
        jobs.find((job) => firstOf(job) === firstOf(pod)),
      )
    if (succeeded.has(rank)) return { ...unseen(rank), state: 'exited', exitCode: 0 }
    if (isWhole) return { ...unseen(rank), state: 'lost', cause: deleted }
    return failed.has(rank) ? { ...unseen(rank), state: 'lost' } : unseen(rank)
  })
  return { token, workload: of[labels.workload] ?? '', attempt: Number(of[labels.attempt] ?? 0), ranks }
}

/** Quota that was taken back was given before: from when on, its pods know as well. */
const firstStart = (ranks: readonly RankSighting[]): number | null => {
  const starts = ranks.flatMap(({ startedAt }) => startedAt ?? [])
  return starts.length === 0 ? null : Math.min(...starts)
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
  return firstOf({ metadata }) + (Number.isInteger(index) && index >= 0 ? index : 0)
}

/** The rank of pod 0 of a Job, which its pods know as well. */
export const firstOf = ({ metadata }: Pick<Job, 'metadata'>): number => Number(metadata.labels[labels.first] ?? 0)

const ranksOf = (jobs: readonly Job[], indexes: (job: Job) => string | null | undefined): Set<number> =>
  new Set(jobs.flatMap((job) => [...numbersOf(indexes(job))].map((index) => firstOf(job) + index)))

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
  const at = { ...(pod.spec.nodeName && { node: pod.spec.nodeName }), ...(cause && { cause }) }
  const shown = { rank, startedAt, endedAt: orNull(terminated?.finishedAt) ?? startedAt, ...at }
  if (terminated && isTold(terminated.reason) && (terminated.exitCode === 0 || !isTaken))
    return { ...shown, state: 'exited', exitCode: terminated.exitCode }
  const isOver = terminated != null || status?.phase === 'Failed' || disruption?.reason === 'DeletionByTaintManager'
  if (isOver) return { ...shown, state: 'lost', exitCode: null }
  if (status?.phase === 'Succeeded') return { ...shown, state: 'exited', exitCode: 0 }
  const leavesAt = orNull(disruption?.lastTransitionTime)
  const now = { ...shown, exitCode: null, endedAt: null, ...(leavesAt !== null && { leavesAt }) }
  // Where an agent runs, it says itself when it is up: one that cannot reach us is not.
  if (!running || pod.metadata.labels[labels.agent] !== undefined) return { ...now, state: 'expected' }
  const serving = servingOf(rank, pod)
  return { ...now, state: 'running', ...(serving && { serving }) }
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
