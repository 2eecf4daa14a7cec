import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import { type BatchJob, gpusOf, grouped, isUsable, phaseOf, type SlurmJob } from './controller.ts'
import { type Asking, type Dialect, problemText, type Reply } from './dialect.ts'
import { faultOf, isOver, isUnknownJob } from './faults.ts'

// Slurm 22.05 and 23.02. Numbers are plain, states of nodes lower case, and what failed has one of three names for its
// number and a status of 500, whatever it was.

const Complaint = z.object({
  error: z.string().optional(),
  description: z.string().optional(),
  error_number: z.number().optional(),
  error_code: z.number().optional(),
  errno: z.number().optional(),
})

const Failure = z.object({ errors: z.array(Complaint) })

const Job = z.object({
  job_id: z.int(),
  name: z.string(),
  comment: z.string().nullable(),
  job_state: z.string(),
  state_reason: z.string().nullable().optional(),
})

const Node = z.object({
  cpus: z.int(),
  real_memory: z.int(),
  temporary_disk: z.int(),
  gres: z.string().nullable(),
  state: z.string(),
  state_flags: z.array(z.string()),
  partitions: z.array(z.string()),
})

const Submitted = z.object({ job_id: z.int().min(1) })
const Jobs = z.object({ jobs: z.array(Job) })
const Pings = z.object({ pings: z.array(z.object({ ping: z.string() })).min(1) })
const Nodes = z.object({ nodes: z.array(Node) })
const Partitions = z.object({ partitions: z.array(z.object({ max_time_limit: z.int().nullable() })).min(1) })

/** Reads a reply that succeeded by its schema; whatever else it is becomes a fault. */
function read<T>({ status, body }: Reply, schema: z.ZodType<T>): Outcome<T> {
  const [first] = Failure.safeParse(body).data?.errors ?? []
  if (status !== 200 || first) return faultOf(first ? complaint(first) : `slurmrestd answered with status ${status}`)
  const parsed = schema.safeParse(body)
  if (parsed.success) return succeed(parsed.data)
  return fail('unreachable', 'later', `slurmrestd gave what v0.0.38 does not: ${problemText(parsed.error.issues)}`)
}

const complaint = ({ error = '', description = '' }: z.output<typeof Complaint>): string =>
  [error, description].filter((text) => text !== '').join(': ')

function submission(job: BatchJob, { partition, account, qos }: Asking): unknown {
  const { gpus } = job
  return {
    script: job.script,
    job: {
      name: job.name,
      comment: job.comment,
      partition,
      ...(account === undefined ? {} : { account }),
      ...(qos === undefined ? {} : { qos }),
      // As a list it would be ignored, and the job would get one node.
      nodes: `${job.nodes}-${job.nodes}`,
      tasks: job.nodes,
      tasks_per_node: 1,
      cpus_per_task: job.cpusPerNode,
      memory_per_node: job.memoryMiB,
      ...(gpus === null ? {} : { gpus_per_node: `${gpus.type === null ? '' : `${gpus.type}:`}${gpus.count}` }),
      ...(job.minutes === null ? {} : { time_limit: job.minutes }),
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

const toJob = ({ job_id, name, comment, job_state, state_reason }: z.output<typeof Job>): SlurmJob => {
  const reason = state_reason === 'None' ? '' : (state_reason ?? '')
  const detail = reason === '' ? job_state : `${job_state}: ${reason}`
  return { id: job_id, name, comment: comment ?? '', phase: phaseOf(job_state), detail }
}

const map = <T, U>(outcome: Outcome<T>, convert: (value: T) => U): Outcome<U> =>
  outcome.ok ? succeed(convert(outcome.value)) : outcome

export const v0_0_38: Dialect = {
  version: 'v0.0.38',
  submission,
  submitted(reply) {
    // With a number there is a job, whatever else it says: one that asks for too much is taken, and then waits for ever.
    const taken = reply.status === 200 ? Submitted.safeParse(reply.body) : undefined
    return taken?.success ? succeed(taken.data.job_id) : map(read(reply, Submitted), ({ job_id }) => job_id)
  },
  job(reply) {
    const [first] = Failure.safeParse(reply.body).data?.errors ?? []
    if (first && (first.error_number === 2017 || isUnknownJob(complaint(first)))) return succeed(null)
    const found = read(reply, Jobs)
    if (!found.ok) return found
    const [job] = found.value.jobs
    return job
      ? succeed(toJob(job))
      : fail('unreachable', 'later', 'slurmrestd answered without a job and without an error')
  },
  // 304 says that nothing is new, which is nothing at all about what there is.
  allJobs: (reply) => map(read(reply, Jobs), ({ jobs }) => jobs.map(toJob)),
  cancelled(reply) {
    const [first] = Failure.safeParse(reply.body).data?.errors ?? []
    if (first && isOver(complaint(first))) return succeed(null)
    return map(read(reply, z.object({})), () => null)
  },
  ping(reply) {
    const answered = read(reply, Pings)
    if (!answered.ok) return answered
    return answered.value.pings.some(({ ping }) => ping === 'UP')
      ? succeed(null)
      : fail('unreachable', 'later', 'no controller of the cluster is up')
  },
  nodes: (reply, partition) =>
    map(read(reply, Nodes), ({ nodes }) =>
      grouped(
        nodes
          .filter(({ partitions }) => partitions.includes(partition))
          .map(({ cpus, real_memory, temporary_disk, gres, state, state_flags }) => ({
            count: 1,
            usable: [state, ...state_flags].every(isUsable),
            cpus,
            memoryMiB: real_memory,
            diskMiB: temporary_disk,
            gpus: gpusOf(gres ?? ''),
          })),
      ),
    ),
  mostMinutes: (reply) =>
    map(read(reply, Partitions), ({ partitions: [first] }) => {
      const limit = first?.max_time_limit ?? -1
      return limit < 0 ? null : limit
    }),
}
