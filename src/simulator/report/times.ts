import type { Task } from '#simulator/replay/task.ts'

/** Waits and completion times of some tasks, in milliseconds. */
export type Times = {
  waitMeanMs: number
  waitP50Ms: number
  waitP99Ms: number
  completionMeanMs: number
  completionP50Ms: number
  completionP99Ms: number
}

export function timesOf(tasks: readonly Task[]): Times {
  const [waits, ends] = [waitsOf(tasks), completionsOf(tasks)]
  return {
    waitMeanMs: mean(waits),
    waitP50Ms: rank(waits, 0.5),
    waitP99Ms: rank(waits, 0.99),
    completionMeanMs: mean(ends),
    completionP50Ms: rank(ends, 0.5),
    completionP99Ms: rank(ends, 0.99),
  }
}

/** Times until the first start, of those that started, in ascending order. */
export const waitsOf = (tasks: readonly Task[]): Float64Array =>
  ascending(tasks, ({ starts, firstStartMs, job }) => (starts > 0 ? firstStartMs - job.arrivalMs : -1))

/** Times from arrival to end, of those that ended, in ascending order. */
export const completionsOf = (tasks: readonly Task[]): Float64Array =>
  ascending(tasks, ({ state, endsAtMs, job }) => (state === 'ended' ? endsAtMs - job.arrivalMs : -1))

/** Of all that have it: below 0 is none. Millions of them are collected without a list for each. */
function ascending(tasks: readonly Task[], timeOf: (task: Task) => number): Float64Array {
  const times = new Float64Array(tasks.length)
  let count = 0
  for (const task of tasks) {
    const time = timeOf(task)
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
