import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import {
  type BatchJob,
  gpusOf,
  gpusUsed,
  hostsOf,
  isUsable,
  phaseOf,
  type SlurmJob,
  type SlurmNode,
} from './controller.ts'
import { type Asking, complaintOf, type Dialect, mapped, read, type Reply, saysUnknownJob } from './dialect.ts'
import { faultOf, isOver } from './faults.ts'

// v0.0.40 to v0.0.45: Slurm 23.11 to 26.05. Numbers say whether they are set, states are lists of upper case, and a field
// that a version does not know is ignored with a warning: what it takes is tried on a real server of each.

const Count = z.object({ set: z.boolean(), infinite: z.boolean(), number: z.number() })

const Job = z.object({
  job_id: z.int(),
  name: z.string(),
  comment: z.string(),
  job_state: z.array(z.string()).min(1),
  state_reason: z.string(),
  start_time: Count,
})

const Node = z.object({
  name: z.string(),
  cpus: z.int(),
  real_memory: z.int(),
  temporary_disk: z.int(),
  gres: z.string(),
  gres_used: z.string(),
  alloc_cpus: z.int(),
  alloc_memory: z.int(),
  state: z.array(z.string()).min(1),
  reason: z.string(),
  active_features: z.array(z.string()),
  partitions: z.array(z.string()),
})

const Submitted = z.object({ job_id: z.int().min(1) })
const Jobs = z.object({ jobs: z.array(Job) })
// Until v0.0.41 by a word, then by both, from v0.0.45 on only by `responding`.
const Pings = z.object({
  pings: z.array(z.object({ pinged: z.string().optional(), responding: z.boolean().optional() })).min(1),
})
const Nodes = z.object({ nodes: z.array(Node) })
const Partitions = z.object({
  partitions: z.array(z.object({ maximums: z.object({ time: Count }) })),
})
const Reservations = z.object({
  reservations: z.array(z.object({ name: z.string(), node_list: z.string(), start_time: Count, end_time: Count })),
})
const Cancelled = z.object({
  status: z.array(z.object({ error: z.object({ string: z.string(), code: z.int() }) })).nullish(),
})

const some = (number: number) => ({ set: true, infinite: false, number })

function submission(job: BatchJob, { partition, account, qos, reservation, exclusive }: Asking): unknown {
  const { gpus } = job
  return {
    script: job.script,
    job: {
      name: job.name,
      comment: job.comment,
      partition,
      ...(account === undefined ? {} : { account }),
      ...(qos === undefined ? {} : { qos }),
      ...(reservation === undefined ? {} : { reservation }),
      ...(exclusive ? { shared: ['none'] } : {}),
      nodes: `${job.nodes}-${job.nodes}`,
      ...(job.nodelist ? { required_nodes: job.nodelist } : {}),
      tasks: job.nodes,
      tasks_per_node: 1,
      cpus_per_task: job.cpusPerNode,
      memory_per_node: some(job.memoryMiB),
      ...(gpus === null ? {} : { tres_per_node: `gres/gpu:${gpus.type === null ? '' : `${gpus.type}:`}${gpus.count}` }),
      ...(job.minutes === null ? {} : { time_limit: some(job.minutes) }),
      kill_warning_signal: 'TERM',
      kill_warning_delay: some(job.graceSeconds),
      current_working_directory: job.folder,
      standard_output: job.output,
      open_mode: ['APPEND'],
      environment: Object.entries(job.environment).map(([name, value]) => `${name}=${value}`),
      dependency: 'singleton',
      requeue: false,
    },
  }
}

function toJob({ job_id, name, comment, job_state, state_reason, start_time }: z.output<typeof Job>): SlurmJob {
  const state = tellingOf(job_state)
  const phase = phaseOf(state)
  const startsAt = phase === 'pending' && start_time.set && start_time.number > 0 ? start_time.number * 1000 : null
  const detail = state_reason === 'None' || state_reason === '' ? state : `${state}: ${state_reason}`
  return { id: job_id, name, comment, phase, detail, startsAt }
}

/** The word that says most of a list such as `["CANCELLED", "COMPLETING"]`: nodes that are still being cleared are in use. */
const tellingOf = (states: readonly string[]): string =>
  ['COMPLETING', 'CONFIGURING', 'REQUEUED'].find((flag) => states.includes(flag)) ?? states[0] ?? ''

const toNode = (node: z.output<typeof Node>): SlurmNode => ({
  name: node.name,
  partitions: node.partitions,
  usable: node.state.every(isUsable),
  state: node.state.join('+'),
  reason: node.reason,
  features: node.active_features,
  cpus: node.cpus,
  memoryMiB: node.real_memory,
  diskMiB: node.temporary_disk,
  gpus: gpusOf(node.gres),
  used: { cpus: node.alloc_cpus, memoryMiB: node.alloc_memory, gpus: gpusUsed(node.gres_used) },
})

/** A controller that is gone makes of a cancellation one that is not permitted: only a token that is refused is one. */
function cancelled(reply: Reply): Outcome<null> {
  const complaint = complaintOf(reply)
  if (complaint && isOver(complaint.said)) return succeed(null)
  if (complaint && reply.status !== 511) return fail('unreachable', 'later', complaint.said)
  const answered = read(reply, Cancelled)
  if (!answered.ok) return answered
  // Of a job that is not there it answers with 200 and no error but this.
  const [failed] = answered.value.status ?? []
  return failed && failed.error.code !== 0 && !isOver(failed.error.string)
    ? faultOf(failed.error.string)
    : succeed(null)
}

const dialect = (version: string): Dialect => ({
  version,
  // Without the resources of each, which are 32 KB a job.
  allJobsPath: 'jobs?flags=LOCAL',
  submission,
  submitted(reply) {
    const taken = reply.status === 200 ? Submitted.safeParse(reply.body) : undefined
    return taken?.success ? succeed(taken.data.job_id) : mapped(read(reply, Submitted), ({ job_id }) => job_id)
  },
  job(reply) {
    if (saysUnknownJob(reply)) return succeed(null)
    const found = read(reply, Jobs)
    if (!found.ok) return found
    const [job] = found.value.jobs
    return job
      ? succeed(toJob(job))
      : fail('unreachable', 'later', 'slurmrestd answered without a job and without an error')
  },
  // An answer that nothing is new since some time looks the same as an empty cluster: so we never say since when.
  allJobs: (reply) => mapped(read(reply, Jobs), ({ jobs }) => jobs.map(toJob)),
  cancelled,
  ping(reply) {
    const answered = read(reply, Pings)
    if (!answered.ok) return answered
    return answered.value.pings.some(({ pinged, responding }) => responding ?? pinged === 'UP')
      ? succeed(null)
      : fail('unreachable', 'later', 'no controller of the cluster is up')
  },
  nodes: (reply) => mapped(read(reply, Nodes), ({ nodes }) => nodes.map(toNode)),
  mostMinutes(reply) {
    // From v0.0.44 on a partition that is not there is no error.
    const found = reply.status === 200 && !complaintOf(reply) ? Partitions.safeParse(reply.body).data : undefined
    const [first] = found?.partitions ?? []
    if (first) return succeed(first.maximums.time.set ? first.maximums.time.number : null)
    const answered = read(reply, z.object({}))
    return answered.ok || /unable to find partition/i.test(answered.fault.detail)
      ? fail('invalid', 'elsewhere', 'the cluster has no such partition; sinfo shows those it has')
      : answered
  },
  reservations: (reply, now) =>
    mapped(read(reply, Reservations), ({ reservations }) =>
      reservations
        .filter(({ start_time, end_time }) => start_time.number * 1000 <= now && now < end_time.number * 1000)
        .map(({ name, node_list }) => ({ name, nodes: hostsOf(node_list) })),
    ),
})

export const v0_0_40_to_45: readonly Dialect[] = [40, 41, 42, 43, 44, 45].map((minor) => dialect(`v0.0.${minor}`))
