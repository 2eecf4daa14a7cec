import type { Input } from './input.ts'
import { byArrival, type Job, jobOf, levels, type Part, type Trace } from './job.ts'
import { durationCell, readTable, type Row, wholeNumber } from './table.ts'

const columns = {
  required: ['arrival', 'duration'],
  optional: [
    'id',
    'gpus',
    'cpus',
    'nodes',
    'within',
    'priority',
    'project',
    'kind',
    'deadline',
    'checkpoint',
    'restart',
  ],
}

/** Whether a header is that of this format, or more of it than of any other. */
export const jobColumns: readonly string[] = [...columns.required, ...columns.optional]

/**
 * Reads a CSV of jobs. `arrival` is a time since the trace began; it and all other times are durations such as `90s` or
 * `2h`, or bare seconds. `gpus` or `cpus` is what the job asks for in all (of `gpus` also a part of one), `nodes` into how
 * many equal ranks that is divided, `within` the level of the topology in one domain of which they all stand; `deadline`
 * counts from the arrival.
 */
export function readJobs(input: Input): Trace {
  const jobs = [...readTable(input, columns)].map((row, index) => jobOfRow(row, index))
  return { file: input.file, format: 'csv', jobs: byArrival(jobs) }
}

function jobOfRow(row: Row, index: number): Job {
  const arrivalMs = need(row, 'arrival')
  const ranks = wholeNumber(row, 'nodes', { least: 1, most: 1_000_000, otherwise: 0 })
  const deadline = durationCell(row, 'deadline', null)
  return jobOf({
    id: row.text('id') || `job-${index + 1}`,
    arrivalMs,
    ...asked(row, ranks),
    ranks,
    within: levelOf(row),
    durationMs: Math.max(1, need(row, 'duration')),
    priority: wholeNumber(row, 'priority', { least: -1_000_000, most: 1_000_000, otherwise: 0 }),
    project: row.text('project') || 'default',
    kind: row.text('kind') || 'job',
    deadlineMs: deadline === null ? null : arrivalMs + deadline,
    checkpointMs: durationCell(row, 'checkpoint', null),
    restartMs: durationCell(row, 'restart', null),
  })
}

function need(row: Row, column: string): number {
  const value = durationCell(row, column, null)
  if (value === null) throw row.wrong(column, 'is empty', 'write for example 90s, 30m, 1h30m or 7d')
  return value
}

function levelOf(row: Row): number {
  const text = row.text('within') || 'site'
  if (text === 'site' || text === 'nvlink' || text === 'block') return levels[text]
  throw row.wrong('within', `"${text}" is no level of a topology`, 'write nvlink, block or site')
}

function asked(row: Row, ranks: number): Pick<Job, 'unit' | 'amount' | 'part'> {
  const [gpus, cpus] = [row.text('gpus'), row.text('cpus')]
  if ((gpus === '') === (cpus === ''))
    throw row.wrong(gpus === '' ? 'gpus' : 'cpus', 'a job asks for either gpus or cpus', 'fill one of the two')
  const part = partOf(gpus)
  if (part && ranks > 1)
    throw row.wrong('gpus', `${gpus} is a part of one, which ${ranks} nodes cannot have`, 'leave nodes out')
  if (part) return { unit: 'gpu', amount: 1, part }
  const column = gpus === '' ? 'cpus' : 'gpus'
  const amount = gpus === '' ? coresMilli(row) : wholeNumber(row, 'gpus', { least: 1, most: 10_000_000 })
  if (ranks > 0 && amount % ranks !== 0)
    throw row.wrong(
      column,
      `${row.text(column)} cannot be divided by ${ranks} nodes`,
      'ask for a multiple of the nodes',
    )
  return { unit: gpus === '' ? 'cpu' : 'gpu', amount, part: null }
}

/** Hundredths of one accelerator, or a slice that MIG cuts off one. */
function partOf(text: string): Part | null {
  if (/^0?\.\d{1,2}$/.test(text) && Number(text) > 0) return { shareMilli: Math.round(Number(text) * 1000) }
  return /^\d+g\.\d+gb(\+me)?$/.test(text) ? { profile: text } : null
}

function coresMilli(row: Row): number {
  const milli = Math.round(Number(row.text('cpus')) * 1000)
  if (milli >= 1 && milli < 1e12) return milli
  throw row.wrong('cpus', `"${row.text('cpus')}" is not a number of cores`, 'write for example 4 or 0.5')
}
