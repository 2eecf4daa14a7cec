import { z } from 'zod'

import { fail, succeed } from '#model/fault.ts'

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
import { type Asking, complaintOf, type Dialect, mapped, read, saysUnknownJob } from './dialect.ts'
import { isOver } from './faults.ts'

// Slurm 22.05 and 23.02. Numbers are plain, states of nodes lower case, and what failed has a status of 500, whatever it
// was.

const Job = z.object({
  job_id: z.int(),
  name: z.string(),
  comment: z.string().nullable(),
  job_state: z.string(),
  state_reason: z.string().nullable().optional(),
  start_time: z.number().nullish(),
})

const Node = z.object({
  name: z.string(),
  cpus: z.int(),
  real_memory: z.int(),
  temporary_disk: z.int(),
  gres: z.string().nullable(),
  gres_used: z.string().nullish(),
  alloc_cpus: z.int(),
  alloc_memory: z.int(),
  state: z.string(),
  state_flags: z.array(z.string()),
  reason: z.string().nullish(),
  active_features: z.string().nullish(),
  partitions: z.array(z.string()),
})

const Submitted = z.object({ job_id: z.int().min(1) })
const Jobs = z.object({ jobs: z.array(Job) })
const Pings = z.object({ pings: z.array(z.object({ ping: z.string() })).min(1) })
const Nodes = z.object({ nodes: z.array(Node) })
const Partitions = z.object({ partitions: z.array(z.object({ max_time_limit: z.int().nullable() })).min(1) })
const Reservations = z.object({
  reservations: z.array(
    z.object({ name: z.string(), node_list: z.string().nullable(), start_time: z.number(), end_time: z.number() }),
  ),
})

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
      ...(exclusive ? { exclusive: 'exclusive' } : {}),
      // As a list it would be ignored, and the job would get one node.
      nodes: `${job.nodes}-${job.nodes}`,
      ...(job.nodelist ? { nodelist: job.nodelist.join(',') } : {}),
      tasks: job.nodes,
      tasks_per_node: 1,
      cpus_per_task: job.cpusPerNode,
      memory_per_node: job.memoryMiB,
      ...(gpus === null ? {} : { gpus_per_node: `${gpus.type === null ? '' : `${gpus.type}:`}${gpus.count}` }),
      ...(job.minutes === null ? {} : { time_limit: job.minutes }),
      signal: `TERM@${job.graceSeconds}`,
      current_working_directory: job.folder,
      standard_output: job.output,
      open_mode: 'append',
      environment: job.environment,
      dependency: 'singleton',
      // `requeue: false` would set it.
      no_requeue: true,
    },
  }
}

function toJob({ job_id, name, comment, job_state, state_reason, start_time }: z.output<typeof Job>): SlurmJob {
  const reason = state_reason === 'None' ? '' : (state_reason ?? '')
  const detail = reason === '' ? job_state : `${job_state}: ${reason}`
  const phase = phaseOf(job_state)
  const startsAt = phase === 'pending' && start_time ? start_time * 1000 : null
  return { id: job_id, name, comment: comment ?? '', phase, detail, startsAt }
}

const toNode = (node: z.output<typeof Node>): SlurmNode => ({
  name: node.name,
  partitions: node.partitions,
  usable: [node.state, ...node.state_flags].every(isUsable),
  state: [node.state, ...node.state_flags].join('+').toUpperCase(),
  reason: node.reason ?? '',
  features: (node.active_features ?? '').split(',').filter((one) => one !== ''),
  cpus: node.cpus,
  memoryMiB: node.real_memory,
  diskMiB: node.temporary_disk,
  gpus: gpusOf(node.gres ?? ''),
  used: { cpus: node.alloc_cpus, memoryMiB: node.alloc_memory, gpus: gpusUsed(node.gres_used ?? '') },
})

export const v0_0_38: Dialect = {
  version: 'v0.0.38',
  allJobsPath: 'jobs',
  submission,
  submitted(reply) {
    // With a number there is a job, whatever else it says: one that asks for too much is taken, and then waits for ever.
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
  // 304 says that nothing is new, which is nothing at all about what there is.
  allJobs: (reply) => mapped(read(reply, Jobs), ({ jobs }) => jobs.map(toJob)),
  cancelled(reply) {
    const complaint = complaintOf(reply)
    if (complaint && isOver(complaint.said)) return succeed(null)
    return mapped(read(reply, z.object({})), () => null)
  },
  ping(reply) {
    const answered = read(reply, Pings)
    if (!answered.ok) return answered
    return answered.value.pings.some(({ ping }) => ping === 'UP')
      ? succeed(null)
      : fail('unreachable', 'later', 'no controller of the cluster is up')
  },
  nodes: (reply) => mapped(read(reply, Nodes), ({ nodes }) => nodes.map(toNode)),
  mostMinutes: (reply) =>
    mapped(read(reply, Partitions), ({ partitions: [first] }) => {
      const limit = first?.max_time_limit ?? -1
      return limit < 0 ? null : limit
    }),
  reservations: (reply, now) =>
    mapped(read(reply, Reservations), ({ reservations }) =>
      reservations
        .filter(({ start_time, end_time }) => start_time * 1000 <= now && now < end_time * 1000)
        .map(({ name, node_list }) => ({ name, nodes: hostsOf(node_list ?? '') })),
    ),
}
