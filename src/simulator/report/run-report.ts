import { jainIndex } from '#simulator/replay/fairness.ts'
import type { Outcome } from '#simulator/replay/replay.ts'
import { unitsOf, type JobRecord } from '#simulator/replay/job-record.ts'
import type { Fleet } from '#simulator/scenario/fleet.ts'
import type { Unit } from '#simulator/traces/job.ts'

import { costBoundMicros, workBoundMs } from './bounds.ts'
import type { FigureName, Value } from './figure.ts'
import { completionsOf, mean, quantiles, timesOf, waitsOf } from './times.ts'

/** What one policy made of a trace. Plain data: it is what `-o json` writes. */
export type RunReport = {
  policy: string
  /** Of every decision; equal for equal input and seed. */
  digest: string
  endMs: number
  /** Moments at which anything happened. */
  moments: number
  figures: Record<FigureName, Value>
  /** Who can never start, of each project by each cause: how many, the first of them, when that was told, and why. */
  never: { project: string; cause: string; jobs: number; first: string; atMs: number; text: string }[]
  kinds: {
    kind: string
    jobs: number
    /** Null where none has started, or ended. */
    waitMeanMs: number | null
    waitP50Ms: number | null
    waitP99Ms: number | null
    completionMeanMs: number | null
  }[]
  projects: {
    project: string
    jobs: number
    /** Null where none has started. */
    waitMeanMs: number | null
    hours: number
    fairHours: number
    weight: number
    /** Null for those without a budget that is kept. */
    spentMicros: string | null
    budgetMicros: number | null
  }[]
  capacity: { site: string; shape: string; tier: string; nodes: number; costMicros: string }[]
  /** Waits and completion times at 0, 1, 2, … 100 %: of that part of the jobs they are no longer. */
  quantiles: { waitMs: number[]; completionMs: number[] }
  series: { binMs: number; used: number[]; usable: number[]; waiting: number[] }
}

const hourMs = 3_600_000

export function reportRun(fleet: Fleet, outcome: Outcome): RunReport {
  const { measured, endMs } = outcome
  const { rows, binMs } = measured.series
  const projects = projectsOf(outcome)
  return {
    policy: outcome.policy,
    digest: outcome.digest,
    endMs,
    moments: outcome.moments,
    figures: figuresOf(fleet, outcome, projects),
    never: neverOf(outcome.records),
    kinds: byKey(outcome.records, ({ job }) => job.kind).map(kindOf),
    projects,
    capacity: fleet.groups.map(({ number, site, shape, tier, count }) => ({
      site,
      shape,
      tier,
      nodes: count,
      costMicros: String(measured.costMicros[number] ?? 0n),
    })),
    quantiles: { waitMs: quantiles(waitsOf(outcome.records)), completionMs: quantiles(completionsOf(outcome.records)) },
    series: {
      binMs,
      used: rows.map(([used = 0]) => round(used, 6)),
      usable: rows.map(([, usable = 0]) => round(usable, 6)),
      waiting: rows.map(([, , waiting = 0]) => round(waiting, 3)),
    },
  }
}

const hasStarted = (records: readonly JobRecord[]): boolean => records.some(({ starts }) => starts > 0)

function kindOf([kind, records]: [string, JobRecord[]]): RunReport['kinds'][number] {
  const { waitMeanMs, waitP50Ms, waitP99Ms, completionMeanMs, ...more } = timesOf(records)
  const started = hasStarted(records)
  const hasEnded = records.some(({ state }) => state === 'ended')
  return {
    kind,
    jobs: records.length,
    ...more,
    waitMeanMs: started ? waitMeanMs : null,
    waitP50Ms: started ? waitP50Ms : null,
    waitP99Ms: started ? waitP99Ms : null,
    completionMeanMs: hasEnded ? completionMeanMs : null,
  }
}

function figuresOf(fleet: Fleet, outcome: Outcome, all: RunReport['projects']): Record<FigureName, Value> {
  const { records, measured, endMs, fairness, unit } = outcome
  const count = (state: JobRecord['state']) => records.filter((record) => record.state === state).length
  const usage = measured.usage[unit]
  const possible = records.filter(({ state }) => state !== 'refused')
  const jobs = possible.map((record) => (record.job.part ? { ...record.job, amount: unitsOf(record) } : record.job))
  const cost = measured.costMicros.reduce((sum, one) => sum + one, 0n)
  const bound = costBoundMicros({ fleet, measured, endMs, work: workOf(records) })
  const projects = all.filter(({ fairHours }) => fairHours > 0)
  return {
    jobs: records.length,
    ended: count('ended'),
    waiting: count('waiting'),
    running: count('running'),
    coming: count('coming'),
    refused: count('refused'),
    deadlinesMissed: records.filter((record) => missed(record, endMs)).length,
    ...timesOf(records),
    makespanMs: endMs,
    // Of what never came to its end the makespan tells no more than how far it got, which no bound holds for.
    makespanBoundMs: possible.every(({ state }) => state === 'ended') ? workBoundMs(fleet, jobs) : null,
    utilisation: part(usage.usedMs, usage.usableMs),
    availability: part(usage.usableMs, usage.totalMs),
    fragmentation: part(usage.splinteredMs, usage.usableMs),
    preemptions: records.reduce((sum, { preemptions }) => sum + preemptions, 0),
    losses: records.reduce((sum, { losses }) => sum + losses, 0),
    lostHours: hours(records, ({ lostMs }) => lostMs),
    restartHours: hours(records, ({ startupMs }) => startupMs),
    costMicros: String(cost),
    costBoundMicros: String(bound),
    costRatio: bound > 0n ? round(Number(cost) / Number(bound), 4) : null,
    jain: projects.length > 1 ? round(jainIndex(projects.map((one) => one.hours / one.fairHours)), 4) : null,
    shareError: round(fairness.shareError, 6),
  }
}

/** In the order in which they were told. */
function neverOf(records: readonly JobRecord[]): RunReport['never'] {
  const rows = new Map<string, RunReport['never'][number]>()
  for (const { job, refused } of records) {
    if (!refused) continue
    const { atMs, refusal } = refused
    const key = `${refusal.cause} ${job.project}`
    const row = rows.get(key)
    if (row && row.atMs <= atMs) row.jobs++
    else
      rows.set(key, {
        project: job.project,
        cause: refusal.cause,
        jobs: (row?.jobs ?? 0) + 1,
        first: job.id,
        atMs,
        text: refusal.text,
      })
  }
  return [...rows.values()].sort((a, b) => a.atMs - b.atMs)
}

function projectsOf({ records, projects, fairness, endMs, unit, ...outcome }: Outcome): RunReport['projects'] {
  const scale = unit === 'cpu' ? 1000 : 1
  return byKey(records, ({ job }) => job.project).map(([project, own]) => {
    const number = projects.indexOf(project)
    const spent = outcome.spentMicros[number] ?? null
    return {
      project,
      jobs: own.length,
      waitMeanMs: hasStarted(own) ? mean(waitsOf(own)) : null,
      hours: hours(
        own.filter(({ job }) => job.unit === unit),
        (record) => heldMs(record, endMs),
      ),
      fairHours: round((fairness.entitledMs[number] ?? 0) / scale / hourMs, 3),
      weight: outcome.terms[number]?.weight ?? 1,
      spentMicros: spent === null ? null : String(spent),
      budgetMicros: spent === null ? null : (outcome.terms[number]?.budgetMicros ?? null),
    }
  })
}

/** Time on nodes up to now, of the run that is not over too. */
const heldMs = ({ heldMs: held, state, startedAtMs }: JobRecord, now: number): number =>
  state === 'running' ? held + now - startedAtMs : held

const missed = ({ job, state, endsAtMs }: JobRecord, endMs: number): boolean =>
  job.deadlineMs !== null && (state === 'refused' || (state === 'ended' ? endsAtMs : endMs) > job.deadlineMs)

function workOf(records: readonly JobRecord[]): Record<Unit, number> {
  const work = { gpu: 0, cpu: 0 }
  for (const record of records) work[record.demand.unit] += unitsOf(record) * record.doneMs
  return work
}

/** Hours of an accelerator or a core. */
function hours(records: readonly JobRecord[], of: (record: JobRecord) => number): number {
  let sum = 0
  for (const record of records) sum += (of(record) * unitsOf(record)) / (record.demand.unit === 'cpu' ? 1000 : 1)
  return round(sum / hourMs, 3)
}

function byKey(records: readonly JobRecord[], keyOf: (record: JobRecord) => string): [string, JobRecord[]][] {
  const groups = Map.groupBy(records, keyOf)
  return [...groups].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
}

const part = (some: number, all: number): number | null => (all > 0 ? round(some / all, 6) : null)
const round = (value: number, digits: number): number => Number(value.toFixed(digits))
