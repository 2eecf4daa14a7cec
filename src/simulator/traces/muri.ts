import type { Input } from './input.ts'
import { byArrival, jobOf, type Trace } from './job.ts'
import { readTable, wholeNumber } from './table.ts'

/** A training job of the traces that came with Muri (SIGCOMM'22), as its simulator reads it: in seconds, not rounded. */
export type MuriJob = {
  id: string
  accelerators: number
  submitSeconds: number
  iterations: number
  /** Time of one iteration, with the 1.5 % that Muri adds to each for its profiling. */
  iterationSeconds: number
  /** What it loses whenever the plan is made anew while it runs. */
  startSeconds: number
}

const columns = { required: ['job_id', 'num_gpu', 'submit_time', 'iterations', 'model_name', 'iteration_time'] }

/** Reads a Muri trace in the order of submission: times in milliseconds, one line a job. */
export function readMuriJobs(input: Input): MuriJob[] {
  const jobs: MuriJob[] = []
  for (const row of readTable(input, columns)) {
    const accelerators = wholeNumber(row, 'num_gpu', { least: 1, most: 1_000_000 })
    jobs.push({
      id: row.text('job_id'),
      accelerators,
      submitSeconds: wholeNumber(row, 'submit_time') / 1000,
      iterations: wholeNumber(row, 'iterations', { least: 1 }),
      iterationSeconds: (wholeNumber(row, 'iteration_time', { least: 1 }) * 1.015) / 1000,
      startSeconds: startSeconds(row.text('model_name'), accelerators),
    })
  }
  return jobs.sort((a, b) => a.submitSeconds - b.submitSeconds)
}

/** The same as jobs of the simulator, in whole milliseconds. */
export function readMuri(input: Input): Trace {
  const jobs = readMuriJobs(input).map((job) =>
    jobOf({
      id: job.id,
      arrivalMs: Math.round(job.submitSeconds * 1000),
      amount: job.accelerators,
      durationMs: Math.round(job.iterations * job.iterationSeconds * 1000),
      kind: `${job.accelerators} GPU`,
      restartMs: job.startSeconds * 1000,
    }),
  )
  return { file: input.file, format: 'muri', jobs: byArrival(jobs) }
}

const sizes = [1, 2, 4, 8, 16, 32]

/**
 * Seconds that a start takes by model, on 1, 2, 4, 8, 16 and 32 accelerators, as measured by the authors of Muri (Zhao
 * et al., "Multi-Resource Interleaving for Deep Learning Training", SIGCOMM 2022; github.com/Rivendile/Muri).
 */
const startsByModel: Record<string, readonly number[]> = {
  vgg16: [7, 7, 8, 9, 9, 10],
  vgg19: [7, 7, 8, 9, 10, 10],
  resnet18: [4, 5, 5, 7, 7, 7],
  shufflenet_v2_x1_0: [4, 4, 5, 5, 7, 8],
  bert: [10, 10, 10, 10, 10, 10],
  gpt2: [10, 10, 10, 10, 10, 10],
  a2c: [38, 39, 39, 46, 46, 46],
  dqn: [5, 5, 6, 6, 8, 8],
}

/** Models that were not measured take ten seconds. */
const startSeconds = (model: string, accelerators: number): number =>
  startsByModel[model]?.[
    Math.max(
      0,
      sizes.findLastIndex((size) => size <= accelerators),
    )
  ] ?? 10
