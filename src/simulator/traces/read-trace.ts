import { didYouMean } from '#kit/did-you-mean.ts'

import type { Input } from './input.ts'
import { byArrival, type Trace } from './job.ts'
import { jobColumns, readJobs } from './jobs-csv.ts'
import { readKueue } from './kueue.ts'
import { readMuri } from './muri.ts'
import { readOpenbJobs } from './openb-jobs.ts'
import { readPhilly } from './philly.ts'
import { readAzure, readMooncake, type ServiceRate } from './requests.ts'

type Format = { name: string; is: (text: string) => boolean; read: (input: Input, rate: ServiceRate) => Trace }

const headerOf = (text: string): Set<string> => {
  const end = text.indexOf('\n')
  const line = end < 0 ? text : text.slice(0, end)
  return new Set(line.split(',').map((cell) => cell.trim()))
}

const hasColumns =
  (...columns: string[]) =>
  (text: string): boolean => {
    const header = headerOf(text)
    return columns.every((column) => header.has(column))
  }

/** A file is told by how it begins. */
const formats: readonly Format[] = [
  { name: 'muri', is: hasColumns('job_id', 'iterations', 'iteration_time'), read: readMuri },
  { name: 'philly', is: hasColumns('timestamp', 'duration', 'num_gpus', 'cluster'), read: readPhilly },
  { name: 'openb', is: hasColumns('gpu_milli', 'creation_time', 'deletion_time'), read: readOpenbJobs },
  { name: 'azure', is: hasColumns('TIMESTAMP', 'ContextTokens'), read: readAzure },
  { name: 'mooncake', is: (text) => /^\s*\{.*"input_length"/.test(text), read: readMooncake },
  { name: 'kueue', is: (text) => /^cohorts:/m.test(text), read: readKueue },
]

/** Reads a trace in any format that is known; a file like none of them is read as a CSV of jobs. */
export function readTrace(input: Input, rate: ServiceRate): Trace {
  const trace = readAny(input, rate)
  if (trace.jobs.length > 0) return trace
  throw input.wrong(
    input.text.length,
    'there is no job in it',
    'add one a line, such as 0,1h,8 below arrival,duration,gpus',
  )
}

function readAny(input: Input, rate: ServiceRate): Trace {
  const format = formats.find(({ is }) => is(input.text))
  if (format) return format.read(input, rate)
  if ([...headerOf(input.text)].some((cell) => jobColumns.includes(cell) || didYouMean(cell, jobColumns)))
    return readJobs(input)
  throw input.wrong(
    0,
    'this is like no trace that is known',
    `begin a CSV of jobs with arrival,duration,gpus; other formats: ${formats.map(({ name }) => name).join(', ')}`,
  )
}

/** Several traces as one, each from its own beginning. */
export const mergeTraces = (traces: readonly Trace[]): Trace['jobs'] => byArrival(traces.flatMap(({ jobs }) => jobs))
