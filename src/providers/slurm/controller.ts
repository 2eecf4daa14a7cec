import type { Outcome } from '#model/fault.ts'

import type { Accounting, Licence } from './accounting.ts'

/** What becomes of a job: it waits, has nodes, gives them back, or has ended, however that was. */
export type JobPhase = 'pending' | 'running' | 'ending' | 'ended'

export type SlurmJob = {
  id: number
  name: string
  comment: string
  phase: JobPhase
  /** The word of Slurm for its state and, while it waits, why: for people. */
  detail: string
  /** When it began, or is expected to while it waits, in ms since the epoch; null where Slurm has no idea. */
  startsAt: number | null
  /** When it ended, or will at the latest; null where nobody says. */
  endsAt: number | null
  /** The longest that Slurm lets it run, in minutes; null where there is no limit. */
  minutes: number | null
}

export type BatchJob = {
  name: string
  comment: string
  nodes: number
  /** The nodes that it is to have, and no others; null where Slurm chooses. */
  nodelist: readonly string[] | null
  cpusPerNode: number
  memoryMiB: number
  gpus: { type: string | null; count: number } | null
  /** The longest it may run; null where the partition sets no limit. */
  minutes: number | null
  /** Where Slurm itself ends it, its ranks hear of it so long before. */
  graceSeconds: number
  script: string
  environment: Record<string, string>
  folder: string
  output: string
}

/** A node as Slurm shows it. */
export type SlurmNode = {
  name: string
  partitions: readonly string[]
  /** It takes jobs, now or once its jobs have ended. */
  usable: boolean
  /** In the words of Slurm: its states, and why it is down or drained. */
  state: string
  reason: string
  features: readonly string[]
  cpus: number
  memoryMiB: number
  diskMiB: number
  gpus: { type: string | null; count: number } | null
  /** What jobs have of it now, whoever's they are. */
  used: { cpus: number; memoryMiB: number; gpus: number }
}

/** The nodes of the partition, and the longest that a job may run there, in minutes; null where there is no limit. */
export type Partition = { nodes: SlurmNode[]; mostMinutes: number | null }

/**
 * What we ask of a Slurm cluster, by whichever way. Each way gives the same results; each fault says whether the
 * cluster answered. `jobs` and `named` leave out what the cluster says it does not know, and nothing else.
 */
export type Controller = {
  submit(job: BatchJob, signal: AbortSignal): Promise<Outcome<number>>
  /** Jobs by their numbers, without asking for all that there are; asked for none, it still asks whether Slurm is there. */
  jobs(ids: readonly number[], signal: AbortSignal): Promise<Outcome<SlurmJob[]>>
  /** Jobs of one name, live and ended. It may be costly: only for a job that may be there and whose number is not known. */
  named(name: string, signal: AbortSignal): Promise<Outcome<SlurmJob[]>>
  /** Ends a job; one that Slurm does not know has ended. */
  cancel(id: number, signal: AbortSignal): Promise<Outcome<null>>
  /**
   * Nodes that a reservation keeps from jobs that do not ask for it are not usable; with a reservation only its nodes are.
   * Of many nodes the list is costly: `only` names those that are asked for.
   */
  partition(signal: AbortSignal, only?: readonly string[]): Promise<Outcome<Partition>>
  /** Lines as in topology.conf; none where the cluster has no topology, or does not tell. */
  topology(signal: AbortSignal): Promise<Outcome<string>>
  /** What accounting says of the user; null where there is none, or it holds nobody back. */
  accounting(signal: AbortSignal): Promise<Outcome<Accounting | null>>
  /** How well off the user is in an account, from 0 to 1 where all have had what is theirs; null where it is not told. */
  fairShare(account: string, signal: AbortSignal): Promise<Outcome<number | null>>
  licences(signal: AbortSignal): Promise<Outcome<Licence[]>>
  /** A job that the controller forgot, as accounting remembers it; null where it does not, or there is none. */
  remembered(id: number, signal: AbortSignal): Promise<Outcome<SlurmJob | null>>
}

const phases: Record<string, JobPhase> = {
  PENDING: 'pending',
  CONFIGURING: 'pending',
  REQUEUED: 'pending',
  REQUEUE_HOLD: 'pending',
  REQUEUE_FED: 'pending',
  RESV_DEL_HOLD: 'pending',
  SPECIAL_EXIT: 'pending',
  COMPLETING: 'ending',
  BOOT_FAIL: 'ended',
  CANCELLED: 'ended',
  COMPLETED: 'ended',
  DEADLINE: 'ended',
  FAILED: 'ended',
  NODE_FAIL: 'ended',
  OUT_OF_MEMORY: 'ended',
  PREEMPTED: 'ended',
  REVOKED: 'ended',
  TIMEOUT: 'ended',
}

/** A word that we do not know says that the job is there; only the known ones say that it has ended. */
export const phaseOf = (state: string): JobPhase => phases[state] ?? 'running'

const unusable = /DOWN|DRAIN|FAIL|MAINT|UNK|INVAL|NO_RESPOND|NOT_RESPONDING|REBOOT|FUTURE|\*/i

const asleep = /POWER(ED|ING)?_(DOWN|UP)/gi

/** Of a node in a state such as `IDLE`, `mixed` or `down*`. One that sleeps is woken by Slurm for a job, and does not answer meanwhile. */
export function isUsable(state: string): boolean {
  const awake = state.replaceAll(asleep, '')
  return !unusable.test(awake === state ? state : awake.replaceAll(/NOT?_RESPOND(ING)?|\*/gi, ''))
}

/** The accelerators among generic resources such as `gpu:h200:8(S:0-1),licence:2`. */
export function gpusOf(gres: string): SlurmNode['gpus'] {
  const [, type = null, count] = /(?:^|,)gpu(?::([^:(),]+))?:(\d+)/.exec(gres) ?? []
  return count === undefined || count === '0' ? null : { type, count: Number(count) }
}

/** How many accelerators are used, from a text such as `gpu:h200:2(IDX:0-1)`. */
export const gpusUsed = (gres: string): number => gpusOf(gres)?.count ?? 0

/** What a reservation in force keeps for those who ask for it. */
export type Reservation = { name: string; nodes: readonly string[] }

/** The nodes of a partition, usable only where the reservations that are in force leave them to us. */
export function nodesFor(
  { partition, reservation }: { partition: string; reservation?: string | undefined },
  nodes: readonly SlurmNode[],
  reservations: readonly Reservation[],
): SlurmNode[] {
  const ours = new Set(reservations.filter(({ name }) => name === reservation).flatMap((one) => one.nodes))
  const theirs = new Set(reservations.filter(({ name }) => name !== reservation).flatMap((one) => one.nodes))
  return nodes
    .filter(({ partitions }) => partitions.includes(partition))
    .map((node) => {
      if (reservation === undefined ? !theirs.has(node.name) : ours.has(node.name)) return node
      return { ...node, usable: false, reason: node.reason || 'a reservation keeps it' }
    })
}

/** Names in the notation of Slurm: `n[1-3,07],login`. A bracket that cannot be read stands for itself. */
export function hostsOf(list: string): string[] {
  if (list === '' || list === '(null)') return []
  return list.split(/,(?![^[]*\])/).flatMap((part) => expanded(part))
}

const mostHosts = 200_000

function expanded(part: string): string[] {
  const [, before, ranges, after = ''] = /^([^[]*)\[([\d,-]+)\](.*)$/.exec(part) ?? []
  if (before === undefined || ranges === undefined) return [part]
  const rest = expanded(after)
  return ranges.split(',').flatMap((range) => {
    const [first = '', last = first] = range.split('-')
    const count = Math.min(mostHosts, Number(last) - Number(first) + 1)
    return Array.from({ length: Math.max(0, count) }, (_, index) =>
      String(Number(first) + index).padStart(first.length, '0'),
    ).flatMap((number) => rest.map((tail) => `${before}${number}${tail}`))
  })
}
