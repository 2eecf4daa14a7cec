import type { BatchJob } from './controller.ts'
import type { Asking, Dialect } from './dialect.ts'

// Slurm 22.05 and 23.02: numbers are plain, and a field that it does not know is refused.

function submission(
  job: BatchJob,
  { partition, account, qos, reservation, licences = [], exclusive }: Asking,
): unknown {
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
      ...(licences.length === 0 ? {} : { licenses: licences.join(',') }),
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

export const v0_0_38: Dialect = { version: 'v0.0.38', allJobsPath: 'jobs', submission }
