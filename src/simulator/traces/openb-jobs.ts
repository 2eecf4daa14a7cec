import type { Input } from './input.ts'
import { byArrival, type Job, jobOf, type Trace } from './job.ts'
import { readTable, type Row, wholeNumber } from './table.ts'

const required = [
  'name',
  'cpu_milli',
  'num_gpu',
  'gpu_milli',
  'qos',
  'creation_time',
  'deletion_time',
  'scheduled_time',
]

/**
 * Reads the pods of openb (Alibaba, cluster-trace-gpu-v2023) as jobs that come when they were created, and run for as
 * long as they ran there; of GPUs that they share they ask for as much as there.
 */
export function readOpenbJobs(input: Input): Trace {
  const jobs = [...readTable(input, { required })].map(jobOfPod).filter((job) => job !== undefined)
  const first = jobs.reduce((least, { arrivalMs }) => Math.min(least, arrivalMs), Number.POSITIVE_INFINITY)
  return {
    file: input.file,
    format: 'openb',
    jobs: byArrival(jobs.map((job) => ({ ...job, arrivalMs: job.arrivalMs - first }))),
  }
}

function jobOfPod(row: Row): Job | undefined {
  const [created, deleted] = [wholeNumber(row, 'creation_time'), wholeNumber(row, 'deletion_time')]
  const scheduled = wholeNumber(row, 'scheduled_time', { otherwise: created }) // some never were
  if (deleted < scheduled)
    throw row.wrong('deletion_time', `${deleted} is before ${scheduled}, when it was scheduled`, 'correct one of them')
  const [gpus, cpuMilli] = [wholeNumber(row, 'num_gpu'), wholeNumber(row, 'cpu_milli')]
  if (gpus === 0 && cpuMilli === 0) return undefined
  const milli = wholeNumber(row, 'gpu_milli', { otherwise: 1000 })
  return jobOf({
    id: row.text('name'),
    arrivalMs: created * 1000,
    unit: gpus > 0 ? 'gpu' : 'cpu',
    amount: gpus > 0 ? gpus : cpuMilli,
    part: gpus === 1 && milli > 0 && milli < 1000 ? { shareMilli: milli } : null,
    durationMs: Math.max(1, (deleted - scheduled) * 1000),
    kind: `${row.text('qos')}${gpus > 0 && row.text('gpu_milli') !== '1000' ? ', shared' : ''}`,
  })
}
