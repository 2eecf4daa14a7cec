import { fail, type Fault, type FaultKind } from '#model/fault.ts'

type Failed = { ok: false; fault: Fault }

/** What helps where a partition takes no jobs; its state has to be changed by who runs the cluster. */
export const openPartition = 'ask who runs the cluster to open its partition: scontrol update PartitionName=… State=UP'

const showNodes = 'sinfo -N -o "%N %c %m %G"'

/**
 * What Slurm says when it fails, by its own words: both ways to it use the same. The first that fits counts. Whatever
 * is not listed may be a cluster that is not well: nothing is known then.
 */
const sayings: [RegExp, FaultKind, Fault['retry'], fix?: string][] = [
  [/unable to contact slurm controller|connection refused|timed out|zero bytes/i, 'unreachable', 'later'],
  [/partition configuration not available/i, 'no-capacity', 'elsewhere'],
  [/node configuration is not available/i, 'no-capacity', 'elsewhere', `see what nodes have: ${showNodes}`],
  [/partition.*(inactive|unavailable|down)/i, 'invalid', 'elsewhere', openPartition],
  [/partition name|partition .*not found/i, 'invalid', 'elsewhere', 'correct partition of the site: sinfo -s'],
  [/invalid account/i, 'invalid', 'elsewhere', 'correct account of the site: sacctmgr show associations user=$USER'],
  [/invalid qos/i, 'invalid', 'elsewhere', 'correct qos of the site: sacctmgr show qos'],
  [/invalid licen/i, 'invalid', 'elsewhere', 'correct licences of the site: scontrol show licenses'],
  [/invalid (generic resource|gres)/i, 'invalid', 'elsewhere', `see what nodes have: ${showNodes}`],
  [/invalid feature/i, 'invalid', 'elsewhere'],
  [/accounting\/qos policy|(qos|assoc|group|maximum|max).*limit|exceed/i, 'quota', 'elsewhere'],
  [
    /access.*denied|permission denied|authentication|invalid user|not permitted|auth.*(fail|invalid)/i,
    'denied',
    'never',
  ],
  [/too many|temporarily|try again|slurmctld.*busy|rate limit/i, 'throttled', 'later'],
  [/parsing|invalid|not supported|unrecognized/i, 'invalid', 'elsewhere'],
]

/** `denied` holds until somebody has changed something; the circuit to the site asks again by itself. */
export function faultOf(said: string): Failed {
  const detail = said.replace(/\s+/g, ' ').trim() || 'Slurm failed without a word'
  for (const [saying, kind, retry, fix] of sayings)
    if (saying.test(detail)) return fail(kind, retry, fix === undefined ? detail : `${detail}; ${fix}`)
  return fail('unreachable', 'later', detail)
}

/** The words by which Slurm says that it knows no such job. */
export const isUnknownJob = (said: string): boolean => /invalid job id/i.test(said)

/** The words by which Slurm says that there is nothing left to cancel. */
export const isOver = (said: string): boolean => isUnknownJob(said) || /already complet/i.test(said)
