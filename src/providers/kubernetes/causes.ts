import { type Cause, causeOf, type CauseKind } from '#model/cause.ts'
import { rankContainer } from './names.ts'
import type { Pod } from './wire.ts'

/** Why the cluster takes a pod away, by the reason of its condition `DisruptionTarget`. */
const disruptions: Record<string, CauseKind> = {
  PreemptionByScheduler: 'preempted',
  DeletionByTaintManager: 'node-lost',
  DeletionByPodGC: 'node-lost',
  EvictionByEvictionAPI: 'maintenance',
  TerminationByKubelet: 'evicted',
}

/** Why a pod failed as a whole, by the reason of its status. */
const failures: Record<string, CauseKind> = { Evicted: 'evicted', NodeLost: 'node-lost', DeadlineExceeded: 'deadline' }

const noImage = /^(ErrImage|ImagePull|InvalidImage|ImageInspect|RegistryUnavailable)/
const noStart = /^(StartError|ContainerCannotRun|RunContainerError|CreateContainerError)/

/** What is known of a rank beside its state and its exit code. */
export function causeOfPod({ status }: Pod): Cause | null {
  const { waiting, terminated } = status?.containerStatuses?.find(({ name }) => name === rankContainer)?.state ?? {}
  const condition = (type: string, is: string) =>
    status?.conditions.find((one) => one.type === type && one.status === is)
  const disruption = condition('DisruptionTarget', 'True')
  const taken = disruptions[disruption?.reason ?? '']
  if (taken) return causeOf(taken, disruption?.message ?? '')
  const failed = failures[status?.reason ?? '']
  if (failed) return causeOf(failed, status?.message ?? '')
  if (terminated?.reason === 'OOMKilled') return causeOf('out-of-memory')
  if (terminated?.reason === 'ContainerStatusUnknown') return causeOf('node-lost', terminated.message ?? '')
  const why = terminated?.reason ?? waiting?.reason ?? ''
  const detail = terminated?.message ?? waiting?.message ?? ''
  if (noImage.test(why)) return causeOf('image', detail)
  if (noStart.test(why)) return causeOf('unstartable', detail)
  const place = condition('PodScheduled', 'False')
  return place?.reason === 'Unschedulable' ? causeOf('unschedulable', place.message ?? '') : null
}
