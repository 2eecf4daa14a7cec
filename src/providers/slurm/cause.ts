import { type Cause, causeOf, type CauseKind } from '#model/cause.ts'

import type { SlurmJob } from './controller.ts'

const ends: Record<string, CauseKind> = {
  TIMEOUT: 'deadline',
  DEADLINE: 'deadline',
  NODE_FAIL: 'node-lost',
  BOOT_FAIL: 'node-lost',
  PREEMPTED: 'preempted',
  OUT_OF_MEMORY: 'out-of-memory',
  CANCELLED: 'evicted',
}

/** Reasons that do not pass by waiting for others to end. */
const hopeless = /NodeLimit|TimeLimit|PartitionDown|PartitionInactive|ReqNodeNotAvail|BadConstraints|^(Assoc|QOS)|Held/

/** Why a job has ended otherwise than by itself, or does not start yet; nothing where there is nothing to tell. */
export function causeOfJob(job: SlurmJob): Cause | undefined {
  const { phase, detail } = job
  if (phase === 'pending') return causeOfWait(job)
  const [state = ''] = detail.split(': ')
  const kind = phase === 'ended' ? ends[state] : undefined
  if (kind === undefined) return undefined
  const said = `Slurm says ${detail}`
  return kind === 'evicted'
    ? causeOf(kind, said, 'somebody cancelled its job: ask who runs the cluster')
    : causeOf(kind, said)
}

function causeOfWait({ detail, startsAt }: SlurmJob): Cause | undefined {
  const [, reason = ''] = detail.split(': ')
  if (hopeless.test(reason)) return causeOf('unschedulable', `Slurm says ${reason}`)
  if (startsAt !== null) {
    const at = new Date(startsAt).toISOString()
    return causeOf('queued', `Slurm says ${reason || 'PENDING'}, and expects to start it at ${at}`)
  }
  // The first in the queue has an estimate soon: once that is told, nothing else is until it starts.
  return reason === '' || reason === 'Resources' ? undefined : causeOf('queued', `Slurm says ${reason}`)
}
