import type { BatchJob } from './controller.ts'

/** What a job asks of the site as a whole. */
export type Asking = {
  partition: string
  account?: string | undefined
  qos?: string | undefined
  reservation?: string | undefined
  /** Licences that each job holds, such as `dataset:2`. */
  licences?: readonly string[] | undefined
  /** Nodes are had whole. */
  exclusive?: boolean | undefined
}

/**
 * One version of the API of slurmrestd. The paths are the same in all of them, and replies are read by one reader
 * (`replies.ts`); what a version is sent must be its own, for it refuses or ignores what it does not know.
 */
export type Dialect = {
  /** As it stands in paths: `v0.0.42`. */
  version: string
  /** What is asked for a list of all jobs, with as little of each as can be had. */
  allJobsPath: string
  submission(job: BatchJob, asking: Asking): unknown
}
