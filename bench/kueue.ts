import { existsSync } from 'node:fs'
import { join } from 'node:path'

import type { GangRequest } from '#engine/cell/ask.ts'
import { createCell, type Cell } from '#engine/cell/cell.ts'
import { Line } from '#engine/queue/line.ts'
import type { QuotaNode } from '#engine/queue/quota.ts'
import type { Want } from '#engine/queue/request.ts'
import { createShares } from '#engine/queue/share.ts'
import { createHeap } from '#kit/heap.ts'
import { readInput } from '#simulator/traces/input.ts'
import type { Job } from '#simulator/traces/job.ts'
import { readKueue } from '#simulator/traces/kueue.ts'

/**
 * The three performance configurations of Kueue (test/performance/scheduler/configs): its generators, its quotas with
 * borrowing in cohorts, its priorities and preemption (withinClusterQueue LowerPriority, reclaimWithinCohort Any), and its
 * topology in the second. Our queue decides in simulated time, so that its times are those of the schedule alone; beside
 * them stand the means that Kueue's CI measures in real time with an API server behind it (comments of its
 * rangespec.yaml). A wait is the time until the last start: who is preempted begins anew.
 *
 *     node bench/kueue.ts
 */
const configs = [
  { name: 'baseline', published: [351.1, 16.5, 76.8, 215.5] },
  { name: 'tas', published: [401.5, 39.6, 107, 247] },
  { name: 'large-scale', published: [1179.4, 105.6, 256.4, 700.4] },
]
/** Cores that each queue has of its own in all three, and may borrow of its cohort. */
const [nominal, borrowing] = [20, 100]
const classes = ['large', 'medium', 'small']
const terms = { within: 'lower-priority', reclaim: 'any', perHour: null } as const
const folder = join(process.env.ISOBAR_DATA ?? '../shared/data', 'kueue')
const box = { shape: 'box', accelerators: 0, memoryMiB: 0, diskMiB: 0 }
if (existsSync(folder)) console.table(configs.flatMap(rowsOf))
else console.log(`skipped: there is no ${folder}; set ISOBAR_DATA to the folder that holds kueue/`)

function rowsOf({ name, published }: (typeof configs)[number]) {
  const path = join(folder, name, 'generator.yaml')
  const { jobs } = readKueue(readInput(path))
  const [wall, ...means] = published
  const rowOf = (preempts: boolean) => {
    const { wallMs, waitsOf, line, seconds, most, preempted } = play(jobs, { hasTopology: name === 'tas', preempts })
    const wait = (kind: string) => {
      const own = waitsOf(kind)
      return (own.reduce((sum, ms) => sum + ms, 0) / own.length / 1000).toFixed(1)
    }
    return {
      who: `${name}: line${preempts ? ', preempting' : ''}`,
      workloads: jobs.length,
      'wall s': (wallMs / 1000).toFixed(1),
      'work bound s': boundSeconds(jobs).toFixed(1),
      ...columns(classes.map(wait)),
      'largest part of a quota used': most.toFixed(2),
      'decided in s': seconds.toFixed(2),
      'asked, in vain': `${line.asked}, ${line.vain}`,
      preempted,
    }
  }
  return [rowOf(false), rowOf(true), { who: `${name}: Kueue's CI`, 'wall s': wall, ...columns(means) }]
}

function columns(values: (string | number | undefined)[]) {
  return Object.fromEntries(classes.map((kind, i) => [`${kind}: mean wait s`, values[i]]))
}

function cohortOf(project: string): string {
  return project.split('/')[0] ?? ''
}

/** The work of the fullest cohort over its quota: no schedule is shorter. */
function boundSeconds(jobs: readonly Job[]): number {
  const cohorts = [...Map.groupBy(jobs, ({ project }) => cohortOf(project)).values()]
  const seconds = cohorts.map((own) => {
    const work = own.reduce((sum, { amount, durationMs }) => sum + amount * durationMs, 0)
    return work / (1000 * nominal * new Set(own.map(({ project }) => project)).size) / 1000
  })
  return Math.max(...seconds)
}

function play(jobs: readonly Job[], { hasTopology, preempts }: { hasTopology: boolean; preempts: boolean }) {
  const projects = [...new Set(jobs.map(({ project }) => project))]
  const cohorts = [...new Set(projects.map(cohortOf))]
  const quotas = quotasOf(projects, cohorts)
  const total = { cpu: 1000 * nominal * projects.length }
  const shares = createShares({
    nodes: quotas.map(({ name, parent }) => ({ name, parent, weight: 1 })),
    capacity: total,
    halfLifeMs: 60_000,
  })
  const cells = hasTopology ? [racks()] : cohorts.map(() => cores((nominal * projects.length) / cohorts.length))
  const preemption = new Map(projects.map((name) => [name, terms]))
  const rules = { preemption: preempts ? preemption : undefined, patienceMs: 60_000 }
  const line = new Line({ cells, quotas, shares, overdueMs: 600_000, ...rules })
  const wants = new Map<string, Want>()
  const wantOf = (job: Job): Want => {
    const key = `${job.project} ${job.kind}`
    const cell = hasTopology ? 0 : cohorts.indexOf(cohortOf(job.project))
    const { project, priority, amount } = job
    const want = {
      key,
      project,
      priority,
      options: [{ cell, gang: gangOf(job, hasTopology), amounts: { cpu: amount } }],
    }
    return wants.get(key) ?? wants.set(key, want).get(key) ?? want
  }
  const ends = createHeap<{ at: number; index: number; run: number }>(
    (a, b) => a.at < b.at || (a.at === b.at && a.index < b.index),
  )
  const runs = jobs.map(() => 0)
  const startedAt = jobs.map(() => 0)
  const used = new Map<string, number>()
  let [next, now, most, preempted] = [0, 0, 0, 0]
  const use = ({ project, amount }: Job, sign: number): void => {
    const cohort = cohortOf(project)
    used.set(cohort, (used.get(cohort) ?? 0) + sign * amount)
    most = Math.max(most, ((used.get(cohort) ?? 0) * cohorts.length) / total.cpu)
  }
  const submit = (index: number): void => {
    const job = jobs[index]
    if (job) line.submit({ id: String(index), want: wantOf(job), since: job.arrivalMs, lastsMs: job.durationMs })
  }
  /** Somebody leaves, by itself or for others. */
  const leave = (index: number): void => {
    const job = jobs[index]
    runs[index] = (runs[index] ?? 0) + 1
    line.ended(String(index), now)
    if (job) use(job, -1)
  }
  /** Victims leave at once; so who preempted starts in the same moment. */
  const decide = (): void => {
    const victims: number[] = []
    for (const decision of line.turn(now)) {
      const index = Number(decision.id)
      const job = jobs[index]
      if ('refused' in decision) {
        if (decision.refused.cause === 'preempts') victims.push(...decision.refused.victims.map(Number))
      } else if (job) {
        startedAt[index] = now
        ends.push({ at: now + job.durationMs, index, run: runs[index] ?? 0 })
        use(job, 1)
      }
    }
    if (victims.length === 0) return
    preempted += victims.length
    victims.forEach(leave)
    victims.forEach(submit)
    decide()
  }
  const begun = performance.now()
  while (next < jobs.length || ends.size > 0) {
    now = Math.min(jobs[next]?.arrivalMs ?? Infinity, ends.peek()?.at ?? Infinity)
    for (let end = ends.peek(); end && end.at <= now; end = ends.peek()) {
      ends.pop()
      if (end.run === runs[end.index]) leave(end.index)
    }
    for (let job = jobs[next]; job && job.arrivalMs <= now; job = jobs[++next]) submit(next)
    decide()
  }
  const waits = Map.groupBy(jobs.keys(), (index) => jobs[index]?.kind.split('-')[0] ?? '')
  const placed = runs.filter((count) => count > 0).length
  if (placed !== jobs.length) throw new Error(`only ${placed} of ${jobs.length} ran`)
  const waitsOf = (kind: string) => (waits.get(kind) ?? []).map((i) => (startedAt[i] ?? 0) - (jobs[i]?.arrivalMs ?? 0))
  return { wallMs: now, waitsOf, line, most, preempted, seconds: (performance.now() - begun) / 1000 }
}

function quotasOf(projects: string[], cohorts: string[]): QuotaNode[] {
  return [
    ...cohorts.map((name) => ({ name, parent: null, nominal: {}, borrowing: {}, lending: {} })),
    ...projects.map((name) => ({
      name,
      parent: cohortOf(name),
      nominal: { cpu: 1000 * nominal },
      borrowing: { cpu: 1000 * borrowing },
      lending: {},
    })),
  ]
}

/** Where no topology counts, a cohort's quota is a cell of single cores. */
function cores(count: number): Cell {
  return createCell({ classes: [{ ...box, cpuMilli: 1000 }], classOf: new Uint16Array(count), domains: [] })
}

/** Ten racks of 64 nodes of 96 cores. */
function racks(): Cell {
  return createCell({
    classes: [{ ...box, cpuMilli: 96_000 }],
    classOf: new Uint16Array(640),
    domains: [Int32Array.from({ length: 640 }, (_, node) => Math.floor(node / 64))],
  })
}

function gangOf({ kind, amount, ranks }: Job, hasTopology: boolean): GangRequest {
  if (!hasTopology) return { roles: [{ size: { cpuMilli: 1000 }, ranks: amount / 1000 }] }
  const roles = [{ size: { cpuMilli: amount / ranks }, ranks }]
  if (kind.includes('balanced')) return { roles, balanced: 1 }
  return { roles, within: { level: 1, preferred: kind.includes('preferred') } }
}
