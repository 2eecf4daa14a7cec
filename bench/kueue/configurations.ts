import { join } from 'node:path'

import type { Project } from '#model/project.ts'
import type { QueueSnapshot } from '#store/store.ts'
import { readInput } from '#simulator/traces/input.ts'
import type { Job } from '#simulator/traces/job.ts'
import { readKueue } from '#simulator/traces/kueue.ts'
import { aJob, aSite, someNodes } from '#test/builders.ts'
import type { Workload } from '#model/workload.ts'

/**
 * The three performance configurations of Kueue (test/performance/scheduler/configs), and what Kueue's CI measures of
 * itself on them: wall time and mean wait of each class in seconds (comments of the rangespec.yaml beside each).
 */
export const published = {
  baseline: { wall: 351.1, large: 16.5, medium: 76.8, small: 215.5 },
  tas: { wall: 401.5, large: 39.6, medium: 107, small: 247 },
  'large-scale': { wall: 1179.4, large: 105.6, medium: 256.4, small: 700.4 },
} as const
export type Name = keyof typeof published

export const classes = ['large', 'medium', 'small'] as const
/** `large` of `large-required-rack`. */
export const classOf = ({ kind }: Pick<Job, 'kind'>): string => kind.split('-')[0] ?? ''

export const folder = join(process.env['ISOBAR_DATA'] ?? '../shared/data', 'kueue')

export type Configuration = { jobs: Job[]; projects: Project[]; site: QueueSnapshot['sites'][number] }

/** Its work, its cohorts and queues as projects, and one site: 640 nodes in ten racks, or room that binds nobody. */
export function configurationOf(name: Name): Configuration {
  const { jobs, projects = [] } = readKueue(readInput(join(folder, name, 'generator.yaml')))
  const words = { cpus: 96, memoryGB: 256 }
  const nodes = name === 'tas' ? someNodes(640, words, [64, 640]) : null
  return {
    jobs: jobs.map((job) => ({ ...job, project: named(job.project) })),
    projects: projects.map((project) => ({
      ...project,
      name: named(project.name),
      parent: project.parent === null ? null : named(project.parent),
      // What all three say of every queue: reclaimWithinCohort: Any, withinClusterQueue: LowerPriority.
      preemption: { within: 'lower-priority', reclaim: 'any', perHour: null },
    })),
    site: aSite({ nodes, offers: [{ ...words }] }),
  }
}

/** A queue's name as that of a project. */
const named = (name: string): string => name.replaceAll('/', '-')

/** The work of the fullest cohort over its quota, and the last to come: no schedule is shorter. */
export function boundSeconds(jobs: readonly Job[], projects: readonly Project[]): number {
  const of = new Map(projects.map((project) => [project.name, project]))
  const quotaOf = (cohort: string) =>
    projects.reduce((sum, { parent, quota }) => (parent === cohort ? sum + (quota.cpuMilli ?? 0) : sum), 0)
  const cohorts = Map.groupBy(jobs, ({ project }) => of.get(project)?.parent ?? '')
  const work = [...cohorts].map(
    ([cohort, own]) => own.reduce((sum, { amount, durationMs }) => sum + amount * durationMs, 0) / quotaOf(cohort),
  )
  const last = jobs.map(({ arrivalMs, durationMs }) => arrivalMs + durationMs)
  return [...work, ...last].reduce((most, ms) => Math.max(most, ms), 0) / 1000
}

/** Makes a workload of each job; those of one kind share all of their spec but the name. */
export function createWorkloads(): (job: Job) => Workload {
  const made = new Map<string, Workload>()
  return (job) => {
    const { project, kind, priority } = job
    const key = `${project} ${kind}`
    const like = made.get(key) ?? made.set(key, workloadOf(job)).get(key)
    const name = `${classOf(job)}-${job.id.slice(job.id.lastIndexOf('-') + 1)}`
    if (!like) throw new Error(`no workload was made of ${job.id}`)
    return { ...like, name, spec: { ...like.spec, name }, project, priority }
  }
}

function workloadOf({ kind, project, priority, amount, ranks, durationMs }: Job): Workload {
  const isBalanced = kind.includes('balanced')
  const rack = isBalanced
    ? { balanced: 'nvlink' as const }
    : { within: 'nvlink' as const, required: kind.includes('required') }
  return aJob({
    name: 'job',
    project,
    priority,
    nodes: ranks,
    resources: { cpus: String(amount / ranks / 1000) },
    duration: { expected: `${durationMs}ms` },
    ...(kind.includes('rack') && { topology: rack }),
  })
}
