import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import type { BatchJob, Reservation, SlurmJob, SlurmNode } from './controller.ts'
import { faultOf, isUnknownJob } from './faults.ts'

/** What a job asks of the site as a whole. */
export type Asking = {
  partition: string
  account?: string | undefined
  qos?: string | undefined
  reservation?: string | undefined
  /** Nodes are had whole. */
  exclusive?: boolean | undefined
}

/** An answer of slurmrestd: its status and what it says. */
export type Reply = { status: number; body: unknown }

/**
 * One version of the API of slurmrestd: the paths are the same in all of them, the bodies are not, and some of them lie.
 * Each reader gives a fault where the reply does not say what it should, so that no odd reply is taken for an empty one.
 */
export type Dialect = {
  /** As it stands in paths: `v0.0.42`. */
  version: string
  /** What is asked for a list of all jobs, with as little of each as can be had. */
  allJobsPath: string
  submission(job: BatchJob, asking: Asking): unknown
  submitted(reply: Reply): Outcome<number>
  /** `null` only where the reply says that there is no such job. */
  job(reply: Reply): Outcome<SlurmJob | null>
  allJobs(reply: Reply): Outcome<SlurmJob[]>
  cancelled(reply: Reply): Outcome<null>
  ping(reply: Reply): Outcome<null>
  /** All nodes of the cluster. */
  nodes(reply: Reply): Outcome<SlurmNode[]>
  mostMinutes(reply: Reply): Outcome<number | null>
  /** Reservations that are in force at a time, in ms since the epoch. */
  reservations(reply: Reply, now: number): Outcome<Reservation[]>
}

const Complaint = z.object({
  error: z.string().nullish(),
  description: z.string().nullish(),
  // It has had three names.
  error_number: z.number().nullish(),
  error_code: z.number().nullish(),
  errno: z.number().nullish(),
})
const Failure = z.object({ errors: z.array(Complaint).nullish() })

/** The first thing that a reply complains of. */
export function complaintOf({ body }: Reply): { said: string; number: number } | undefined {
  const [first] = Failure.safeParse(body).data?.errors ?? []
  if (!first) return undefined
  const said = [first.error, first.description].filter((text) => text).join(': ')
  return { said, number: first.error_number ?? first.error_code ?? first.errno ?? 0 }
}

/** Whether a reply says that there is no such job. */
export function saysUnknownJob(reply: Reply): boolean {
  const complaint = complaintOf(reply)
  return complaint !== undefined && (complaint.number === 2017 || isUnknownJob(complaint.said))
}

/** Reads a reply that succeeded by its schema; whatever else it is becomes a fault. */
export function read<T>(reply: Reply, schema: z.ZodType<T>): Outcome<T> {
  const complaint = complaintOf(reply)
  if (reply.status !== 200 || complaint)
    return faultOf(complaint?.said ?? `slurmrestd answered with status ${reply.status}`)
  const parsed = schema.safeParse(reply.body)
  if (parsed.success) return succeed(parsed.data)
  return fail('unreachable', 'later', `slurmrestd gave what it should not: ${problemText(parsed.error.issues)}`)
}

const problemText = (issues: z.core.$ZodIssue[]): string =>
  issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ')

export const mapped = <T, U>(outcome: Outcome<T>, convert: (value: T) => U): Outcome<U> =>
  outcome.ok ? succeed(convert(outcome.value)) : outcome
