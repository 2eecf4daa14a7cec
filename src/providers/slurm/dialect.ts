import type { z } from 'zod'

import type { Outcome } from '#model/fault.ts'

import type { BatchJob, NodeGroup, SlurmJob } from './controller.ts'

/** What a job asks of the site as a whole. */
export type Asking = { partition: string; account?: string | undefined; qos?: string | undefined }

/** An answer of slurmrestd: its status and what it says. */
export type Reply = { status: number; body: unknown }

/**
 * One version of the API of slurmrestd: the paths are the same in all of them, the bodies are not, and some of them lie.
 * Each reader gives a fault where the reply does not say what it should, so that no odd reply is taken for an empty one.
 */
export type Dialect = {
  version: string
  submission(job: BatchJob, asking: Asking): unknown
  submitted(reply: Reply): Outcome<number>
  /** `null` only where the reply says that there is no such job. */
  job(reply: Reply): Outcome<SlurmJob | null>
  allJobs(reply: Reply): Outcome<SlurmJob[]>
  cancelled(reply: Reply): Outcome<null>
  ping(reply: Reply): Outcome<null>
  nodes(reply: Reply, partition: string): Outcome<NodeGroup[]>
  mostMinutes(reply: Reply): Outcome<number | null>
}

export const problemText = (issues: z.core.$ZodIssue[]): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ')
