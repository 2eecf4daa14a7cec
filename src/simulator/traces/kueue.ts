import { z } from 'zod'

import type { Project, Quota } from '#model/project.ts'
import { readDocument } from '#simulator/scenario/document.ts'
import { plainProject } from '#simulator/scenario/projects.ts'

import type { Input } from './input.ts'
import { byArrival, type Job, jobOf, levels, type Trace } from './job.ts'

/** More would not fit into memory. */
const mostJobs = 5_000_000

/** An amount of CPU as Kubernetes writes it: 2, "2" or "500m"; in thousandths of a core. */
const Quantity = z
  .union([z.int().min(0), z.string().regex(/^\d+m?$/, 'must be a quantity of CPU, such as 2 or 500m')])
  .meta({ examples: [2, '500m'] })
  .transform((text) => (String(text).endsWith('m') ? Number.parseInt(String(text), 10) : Number(text) * 1000))

const WorkloadSet = z.strictObject({
  count: z.int().min(1).max(10_000_000),
  creationIntervalMs: z.int().min(0),
  workloads: z
    .array(
      z.looseObject({
        className: z.string(),
        runtimeMs: z.int().min(1),
        priority: z.int().default(0),
        request: Quantity,
        podCount: z.int().min(1).max(100_000).default(1),
        tasConstraint: z.string().optional(),
        tasLevel: z.string().optional(),
      }),
    )
    .min(1),
})

const GeneratorFile = z.looseObject({
  cohorts: z.array(
    z.looseObject({
      className: z.string(),
      count: z.int().min(1).max(100_000),
      queuesSets: z.array(
        z.looseObject({
          className: z.string(),
          count: z.int().min(1).max(100_000),
          nominalQuota: Quantity,
          borrowingLimit: Quantity.optional(),
          lendingLimit: Quantity.optional(),
          reclaimWithinCohort: z.enum(['Never', 'LowerPriority', 'Any']).default('Never'),
          withinClusterQueue: z.enum(['Never', 'LowerPriority']).default('Never'),
          workloadsSets: z.array(WorkloadSet),
        }),
      ),
    }),
  ),
})

/**
 * Reads the generator of Kueue's performance tests (test/performance/scheduler/configs). Each queue becomes a project,
 * `cohort-0/cq-3`, with its quotas and whom it may stop; the n-th workload of a set comes after n intervals, and the parts of a set after one another.
 */
export function readKueue(input: Input): Trace {
  const { value, wrong } = readDocument(input, GeneratorFile, "a generator of Kueue's")
  const most = value.cohorts.reduce((sum, { count, queuesSets }) => sum + count * queuesSets.reduce(jobsPerSet, 0), 0)
  if (most > mostJobs) throw wrong(['cohorts'], `these are ${most} workloads`, `use at most ${mostJobs}`)
  const jobs: Job[] = []
  const projects: Project[] = []
  for (const cohort of value.cohorts)
    for (let c = 0; c < cohort.count; c++) {
      const parent = `${cohort.className}-${c}`
      projects.push(plainProject(parent))
      for (const queues of cohort.queuesSets)
        for (let q = 0; q < queues.count; q++) {
          const project = `${parent}/${queues.className}-${q}`
          projects.push(plainProject(project, { parent, ...termsOf(queues) }))
          for (const set of queues.workloadsSets) jobs.push(...jobsOf(set, project))
        }
    }
  return { file: input.file, format: 'kueue', jobs: byArrival(jobs), projects }
}

type QueueSet = z.output<typeof GeneratorFile>['cohorts'][number]['queuesSets'][number]

const cpus = (cpuMilli: number | undefined): Quota => (cpuMilli === undefined ? {} : { cpuMilli })

const words = { Never: 'never', LowerPriority: 'lower-priority', Any: 'any' } as const

const termsOf = (queues: QueueSet): Partial<Project> => ({
  quota: cpus(queues.nominalQuota),
  borrowing: cpus(queues.borrowingLimit),
  lending: cpus(queues.lendingLimit),
  preemption: {
    within: words[queues.withinClusterQueue],
    reclaim: words[queues.reclaimWithinCohort],
    perHour: null,
  },
})

const jobsPerSet = (sum: number, { count, workloadsSets }: QueueSet): number =>
  sum + count * workloadsSets.reduce((all, set) => all + set.count * set.workloads.length, 0)

/** A rack is the tightest domain of nodes, whatever its label is called; a single node needs no domain. */
function levelOf(label = ''): number {
  if (label.endsWith('rack')) return levels.nvlink
  return label.endsWith('block') ? levels.block : levels.site
}

function jobsOf({ count, creationIntervalMs, workloads }: z.output<typeof WorkloadSet>, project: string): Job[] {
  return workloads.flatMap(({ className, runtimeMs, priority, request, podCount, ...tas }) =>
    Array.from({ length: count }, (_, n) =>
      jobOf({
        id: `${project}/${className}-${n}`,
        arrivalMs: n * creationIntervalMs,
        unit: 'cpu',
        amount: request * podCount,
        ranks: podCount,
        within: tas.tasConstraint === 'required' ? levelOf(tas.tasLevel) : 0,
        durationMs: runtimeMs,
        priority,
        project,
        kind: className,
      }),
    ),
  )
}
