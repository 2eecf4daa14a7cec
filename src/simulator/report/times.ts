import type { JobRecord } from '#simulator/replay/job-record.ts'

/** Waits and completion times of some jobs, in milliseconds. */
export type Times = {
  waitMeanMs: number
  waitP50Ms: number
  waitP99Ms: number
  waitInAllMeanMs: number
  completionMeanMs: number
  completionP50Ms: number
  completionP99Ms: number
}

export function timesOf(records: readonly JobRecord[]): Times {
  const [waits, ends] = [waitsOf(records), completionsOf(records)]
  return {
    waitMeanMs: mean(waits),
    waitP50Ms: rank(waits, 0.5),
    waitP99Ms: rank(waits, 0.99),
    waitInAllMeanMs: mean(ascending(records, waitedInAll)),
    completionMeanMs: mean(ends),
    completionP50Ms: rank(ends, 0.5),
    completionP99Ms: rank(ends, 0.99),
  }
}

/** Times until the first start, of those that started, in ascending order. */
export const waitsOf = (records: readonly JobRecord[]): Float64Array =>
  ascending(records, ({ starts, firstStartMs, job }) => (starts > 0 ? firstStartMs - job.arrivalMs : -1))

/** Of those that ended: all the time without nodes, after they were stopped or lost them too. */
const waitedInAll = ({ state, endsAtMs, heldMs, job }: JobRecord): number =>
  state === 'ended' ? endsAtMs - job.arrivalMs - heldMs : -1

/** Times from arrival to end, of those that ended, in ascending order. */
export const completionsOf = (records: readonly JobRecord[]): Float64Array =>
  ascending(records, ({ state, endsAtMs, job }) => (state === 'ended' ? endsAtMs - job.arrivalMs : -1))

/** Of all that have it: below 0 is none. Millions of them are collected without a list for each. */
function ascending(records: readonly JobRecord[], timeOf: (record: JobRecord) => number): Float64Array {
  const times = new Float64Array(records.length)
  let count = 0
  for (const record of records) {
    const time = timeOf(record)
    if (time >= 0) times[count++] = time
  }
  return times.subarray(0, count).sort()
}

/** At 0, 1, 2, … 100 %: the nearest rank. */
export const quantiles = (values: Float64Array): number[] =>
  values.length === 0 ? [] : Array.from({ length: 101 }, (_, at) => rank(values, at / 100))

const rank = (values: Float64Array, at: number): number => values[Math.max(0, Math.ceil(values.length * at) - 1)] ?? 0

export const mean = (values: Float64Array): number =>
  values.length === 0 ? 0 : Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
