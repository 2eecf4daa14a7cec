import type { BatchJob } from './controller.ts'
import type { Asking, Dialect } from './dialect.ts'

// v0.0.40 to v0.0.45: Slurm 23.11 to 26.05. Numbers say whether they are set, and a field that a version does not know is
// ignored with a warning: what it takes is tried on a real server of each.

const some = (number: number) => ({ set: true, infinite: false, number })

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

export const v0_0_40_to_45: readonly Dialect[] = [40, 41, 42, 43, 44, 45].map((minor) => ({
  version: `v0.0.${minor}`,
  // Without the resources of each, which are 32 KB a job.
  allJobsPath: 'jobs?flags=LOCAL',
  submission,
}))
