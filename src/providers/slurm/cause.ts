import { type Cause, causeOf, type CauseKind } from '#model/cause.ts'

import type { SlurmJob } from './controller.ts'
import { openPartition } from './faults.ts'

const ends: Record<string, CauseKind> = {
  TIMEOUT: 'deadline',
  DEADLINE: 'deadline',
  NODE_FAIL: 'node-lost',
  BOOT_FAIL: 'node-lost',
  PREEMPTED: 'preempted',
  OUT_OF_MEMORY: 'out-of-memory',
  CANCELLED: 'evicted',
}

/** Limits of accounting that hold for what a user, an account or all of them have together: the end of others helps. */
const shared = /^(Assoc|QOS)(Grp(?!\w*Minutes)|Max\w*Per(User|Account)|MaxJobsLimit)/
/** Reasons that do not pass by waiting for others to end. */
const hopeless =
  /^(Partition)?(NodeLimit|TimeLimit)|^Partition|ReqNodeNotAvail|BadConstraints|^(Assoc|QOS)|^Invalid(Account|QOS)|Held/

/** What helps where Slurm names a reason; the first that fits. */
const fixes: [RegExp, string][] = [
  [/^Partition(Down|Inactive)/, openPartition],
  [/^Licenses$/, 'all of a licence that it asks for are in use: wait, or see who has them: squeue -t R -o "%A %u %W"'],
  [
    shared,
    'wait until jobs of this account, user or QOS end; scontrol show assoc_mgr shows what they have of their limits',
  ],
  [/^(Assoc|QOS)Grp\w*Minutes/, 'the time of its account is used up: ask who runs the cluster, or for another site'],
  [/^Assoc/, 'ask for less, or give the site another account: sacctmgr show associations user=$USER'],
  [/^QOS/, 'ask for less, or give the site another qos: sacctmgr show qos'],
  [/^InvalidAccount/, 'correct account of the site: sacctmgr show associations user=$USER'],
  [/^InvalidQOS/, 'correct qos of the site: sacctmgr show qos'],
]

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

/** Of a job that waits though it had begun. */
export const causeOfRequeue = ({ detail }: SlurmJob): Cause =>
  causeOf('evicted', `Slurm says ${detail}, after it had begun`, 'somebody requeued its job: ask who runs the cluster')

function causeOfWait({ detail, startsAt }: SlurmJob, waitedMs: number): Cause | undefined {
  const [, reason = 'PENDING'] = detail.split(': ')
  const fix = fixes.find(([saying]) => saying.test(reason))?.[1]
  if (hopeless.test(reason) && !shared.test(reason)) return causeOf('unschedulable', `Slurm says ${reason}`, fix)
  if (startsAt !== null) {
    const at = new Date(startsAt).toISOString()
    return causeOf('queued', `Slurm says ${reason}, and expects to start it at ${at}`, fix)
  }
  // People are told once that it waits, so an estimate that is to come is waited for.
  return waitedMs < estimateMs && fix === undefined ? undefined : causeOf('queued', `Slurm says ${reason}`, fix)
}

/** The agent is fetched first, which takes a while. */
const quietMs = 60_000

/** Of a job that should have asked us for its order, and did not: nothing while it may still be about to. */
export function causeOfSilence({ phase, detail, startsAt }: SlurmJob): Cause | undefined {
  const isLate = phase === 'ended' || (phase === 'running' && startsAt !== null && Date.now() - startsAt > quietMs)
  return isLate ? causeOf('unheard', `Slurm says ${detail}, and its job has not asked for its order`) : undefined
}
