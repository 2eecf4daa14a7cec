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

/** Why a job has ended otherwise than by itself, or will not start; nothing where there is nothing to tell. */
export function causeOfJob({ phase, detail }: SlurmJob): Cause | undefined {
  const [state = '', reason = ''] = detail.split(': ')
  if (phase === 'pending') return hopeless.test(reason) ? causeOf('unschedulable', `Slurm says ${reason}`) : undefined
  const kind = phase === 'ended' ? ends[state] : undefined
  if (kind === undefined) return undefined
  const said = `Slurm says ${detail}`
  return kind === 'evicted'
    ? causeOf(kind, said, 'somebody cancelled its job: ask who runs the cluster')
    : causeOf(kind, said)
}
