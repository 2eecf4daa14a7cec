import type { Input } from './input.ts'
import { byArrival, jobOf, type Trace } from './job.ts'
import { momentCell, readTable, secondsAsMs, wholeNumber } from './table.ts'

/**
 * Reads the training jobs of Microsoft's Philly cluster (Jeon et al., USENIX ATC 2019) as its users reduced them: when,
 * how long, how many accelerators, and the virtual cluster, which becomes the project.
 */
export function readPhilly(input: Input): Trace {
  const jobs = [...readTable(input, { required: ['timestamp', 'duration', 'num_gpus', 'cluster'] })].map((row, index) =>
    jobOf({
      id: `philly-${index + 1}`,
      arrivalMs: momentCell(row, 'timestamp'),
      amount: wholeNumber(row, 'num_gpus', { least: 1, most: 100_000 }),
      durationMs: Math.max(1, secondsAsMs(row, 'duration')),
      project: row.text('cluster') || 'default',
      kind: `${row.text('num_gpus')} GPU`,
    }),
  )
  return { file: input.file, format: 'philly', jobs: fromZero(byArrival(jobs)) }
}

/** Moves jobs in time so that the first comes at zero. */
export function fromZero<T extends { arrivalMs: number }>(jobs: T[]): T[] {
  const first = jobs[0]?.arrivalMs ?? 0
  return jobs.map((job) => ({ ...job, arrivalMs: job.arrivalMs - first }))
}
