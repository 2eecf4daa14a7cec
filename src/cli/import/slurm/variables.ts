import type { Layout } from './layout.ts'
import type { Job } from './options.ts'

/** Variables that Slurm sets in a batch script, as a shell makes them here. Source: sbatch(1), "OUTPUT ENVIRONMENT VARIABLES". */
export function variablesOf({ job, layout, name }: { job: Job; layout: Layout; name: string }): Map<string, string> {
  const rank = layout.firstRank === 0 ? 'ISOBAR_RANK' : `(ISOBAR_RANK - ${layout.firstRank})`
  const own = layout.firstRank === 0 ? '$ISOBAR_RANK' : `$(${rank})`
  const { nodes, tasksPerNode, gpusPerNode, cpus } = layout
  const all: [names: string[], value: string][] = [
    [['SLURM_JOB_ID', 'SLURM_JOBID', 'SLURM_ARRAY_JOB_ID'], '$ISOBAR_WORKLOAD'],
    [['SLURM_JOB_NAME'], name],
    [['SLURM_NNODES', 'SLURM_JOB_NUM_NODES'], String(nodes)],
    [['SLURM_NODEID'], own],
    [['SLURM_PROCID'], tasksPerNode === 1 ? own : `$((${rank} * ${tasksPerNode}))`],
    [['SLURM_LOCALID'], '0'],
    [['SLURM_NTASKS', 'SLURM_NPROCS'], String(nodes * tasksPerNode)],
    [['SLURM_NTASKS_PER_NODE', 'SLURM_TASKS_PER_NODE'], String(tasksPerNode)],
    [['SLURM_CPUS_PER_TASK'], String(Math.max(1, Math.floor(cpus / tasksPerNode)))],
    [['SLURM_CPUS_ON_NODE', 'SLURM_JOB_CPUS_PER_NODE'], String(cpus)],
    [['SLURM_GPUS_ON_NODE', 'SLURM_GPUS_PER_NODE'], String(gpusPerNode)],
    [['SLURM_GPUS'], String(gpusPerNode * nodes)],
    [['SLURM_JOB_NODELIST', 'SLURM_NODELIST'], '$ISOBAR_NODE_ADDRESSES'],
    [['SLURM_LAUNCH_NODE_IPADDR'], '$MASTER_ADDR'],
    [['SLURM_SUBMIT_DIR'], '$PWD'],
    [['SLURM_RESTART_COUNT'], '$((ISOBAR_ATTEMPT - 1))'],
    ...(job.array
      ? (
          [
            [['SLURM_ARRAY_TASK_ID'], job.array.index],
            [['SLURM_ARRAY_TASK_COUNT'], String(job.array.tasks)],
            [['SLURM_ARRAY_TASK_MIN'], String(job.array.first)],
            [['SLURM_ARRAY_TASK_MAX'], String(job.array.last)],
          ] as const
        ).map(([names, value]): [string[], string] => [[...names], value])
      : []),
  ]
  return new Map(all.flatMap(([names, value]) => names.map((one) => [one, value] as const)))
}

/** What programs look for in their environment, whether or not the script names it. */
const ofTasks: ReadonlySet<string> = new Set(
  ['JOB_ID', 'NNODES', 'NODEID', 'PROCID', 'LOCALID', 'NTASKS'].map((name) => `SLURM_${name}`),
)

/** Those that a script, or what it starts, may read. */
export const isRead = (name: string, script: string, usesSrun: boolean): boolean =>
  (usesSrun && ofTasks.has(name)) || name === 'SLURM_ARRAY_TASK_ID' || new RegExp(`\\b${name}\\b`).test(script)
