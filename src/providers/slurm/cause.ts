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

/** Slurm has an estimate within so long, if it ever has: it plans again every half minute. */
const estimateMs = 60_000

/**
 * Why a job has ended otherwise than by itself, or does not start yet; nothing where there is nothing to tell. `waitedMs`: how
 * long ago it was submitted.
 */
export function causeOfJob(job: SlurmJob, waitedMs: number): Cause | undefined {
  const { phase, detail } = job
  if (phase === 'pending') return causeOfWait(job, waitedMs)
  const [state = ''] = detail.split(': ')
  const kind = phase === 'ended' ? ends[state] : undefined
  if (kind === undefined) return undefined
  const said = `Slurm says ${detail}`
  return kind === 'evicted'
    ? causeOf(kind, said, 'somebody cancelled its job: ask who runs the cluster')
    : causeOf(kind, said)
}

function causeOfWait({ detail, startsAt }: SlurmJob, waitedMs: number): Cause | undefined {
  const [, reason = 'PENDING'] = detail.split(': ')
  if (hopeless.test(reason)) return causeOf('unschedulable', `Slurm says ${reason}`)
  if (startsAt !== null) {
    const at = new Date(startsAt).toISOString()
    return causeOf('queued', `Slurm says ${reason}, and expects to start it at ${at}`)
  }
  // People are told once that it waits, so an estimate that is to come is waited for.
  return waitedMs < estimateMs ? undefined : causeOf('queued', `Slurm says ${reason}`)
}
