import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import {
  gpusOf,
  gpusUsed,
  hostsOf,
  isUsable,
  phaseOf,
  type Reservation,
  type SlurmJob,
  type SlurmNode,
} from './controller.ts'
import { faultOf, isOver, isUnknownJob } from './faults.ts'
import { instantOf } from './fields.ts'

// What slurmrestd answers, in all versions of its API from v0.0.38 to v0.0.45. They write the same things in two ways, and
// none writes anything that could be read as another's: so each field is read in both, by whoever asks.

/** An answer of slurmrestd: its status and what it says. */
export type Reply = { status: number; body: unknown }

/** Plain or null until v0.0.39; later a number says whether it is set. Null where it is not, or has no bound. */
export const Count = z
  .union([z.number(), z.object({ set: z.boolean(), infinite: z.boolean(), number: z.number() })])
  .nullish()
  .transform((count) => {
    if (typeof count !== 'object' || count === null) return count ?? null
    return count.set && !count.infinite ? count.number : null
  })

/** One word, or words with commas between them, until v0.0.39; later a list. */
export const Words = z
  .union([z.string().transform((text) => text.split(',')), z.array(z.string())])
  .nullish()
  .transform((words) => (words ?? []).filter((word) => word !== ''))

export const Text = z
  .string()
  .nullish()
  .transform((text) => text ?? '')

const States = Words.refine((states) => states.length > 0, 'no state')

const Job = z
  .object({
    job_id: z.int(),
    name: z.string(),
    comment: Text,
    job_state: States,
    state_reason: Text,
    start_time: Count,
    end_time: Count,
    time_limit: Count,
  })
  .transform(({ job_id, name, comment, job_state, state_reason, ...told }): SlurmJob => {
    const state = tellingOf(job_state)
    const phase = phaseOf(state)
    const detail = ['', 'None'].includes(state_reason) ? state : `${state}: ${state_reason}`
    const times = { startsAt: instantOf(told.start_time), endsAt: instantOf(told.end_time), minutes: told.time_limit }
    return { id: job_id, name, comment, phase, detail, ...times }
  })

/** The word that says most of a list such as `["CANCELLED", "COMPLETING"]`: nodes that are still being cleared are in use. */
const tellingOf = (states: readonly string[]): string =>
  ['COMPLETING', 'CONFIGURING', 'REQUEUED'].find((flag) => states.includes(flag)) ?? states[0] ?? ''

const Node = z
  .object({
    name: z.string(),
    cpus: z.int(),
    real_memory: z.int(),
    temporary_disk: z.int(),
    gres: Text,
    gres_used: Text,
    alloc_cpus: z.int(),
    alloc_memory: z.int(),
    state: States,
    /** Until v0.0.39 beside the state. */
    state_flags: Words,
    reason: Text,
    active_features: Words,
    partitions: z.array(z.string()),
  })
  .transform((node): SlurmNode => {
    const state = [...node.state, ...node.state_flags].join('+').toUpperCase()
    return {
      name: node.name,
      partitions: node.partitions,
      usable: isUsable(state),
      state,
      reason: node.reason,
      features: node.active_features,
      cpus: node.cpus,
      memoryMiB: node.real_memory,
      diskMiB: node.temporary_disk,
      gpus: gpusOf(node.gres),
      used: { cpus: node.alloc_cpus, memoryMiB: node.alloc_memory, gpus: gpusUsed(node.gres_used) },
    }
  })

const Submitted = z.object({ job_id: z.int().min(1) })
const Jobs = z.object({ jobs: z.array(Job) })
const Nodes = z.object({ nodes: z.array(Node) })
// By three names one after the other; v0.0.42 to v0.0.44 say the last two.
const Pings = z.object({
  pings: z
    .array(z.object({ ping: Text, pinged: Text, responding: z.boolean().optional() }))
    .min(1)
    .transform((all) => all.some((one) => one.responding ?? [one.ping, one.pinged].includes('UP'))),
})
const Partitions = z.object({
  partitions: z.array(
    z.union([
      z
        .object({ maximums: z.object({ time: Count }), nodes: z.object({ configured: Text }) })
        .transform(({ maximums, nodes }) => ({ mostMinutes: maximums.time, hosts: hostsOf(nodes.configured) })),
      z.object({ max_time_limit: z.int().nullable(), nodes: Text }).transform(({ max_time_limit: most, nodes }) => ({
        mostMinutes: (most ?? -1) < 0 ? null : most,
        hosts: hostsOf(nodes),
      })),
    ]),
  ),
})
const Reservations = z.object({
  reservations: z.array(z.object({ name: z.string(), node_list: Text, start_time: Count, end_time: Count })),
})
const Cancelled = z.object({
  status: z.array(z.object({ error: z.object({ string: z.string(), code: z.int() }) })).nullish(),
})
const Anything = z.object({})

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
function complaintOf({ body }: Reply): { said: string; number: number } | undefined {
  const [first] = Failure.safeParse(body).data?.errors ?? []
  if (!first) return undefined
  const said = [first.error, first.description].filter((text) => text).join(': ')
  return { said, number: first.error_number ?? first.error_code ?? first.errno ?? 0 }
}

/** Reads a reply that succeeded by its schema; whatever else it is becomes a fault, so that no odd reply is taken for an empty one. */
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

/** With a number there is a job, whatever else it says: 22.05 takes one that asks for too much, which then waits for ever. */
export function submitted(reply: Reply): Outcome<number> {
  const taken = reply.status === 200 ? Submitted.safeParse(reply.body) : undefined
  return mapped(taken?.success ? succeed(taken.data) : read(reply, Submitted), ({ job_id }) => job_id)
}

/** `null` only where the reply says that there is no such job. */
export function job(reply: Reply): Outcome<SlurmJob | null> {
  const complaint = complaintOf(reply)
  if (complaint && (complaint.number === 2017 || isUnknownJob(complaint.said))) return succeed(null)
  const found = read(reply, Jobs)
  if (!found.ok) return found
  const [first] = found.value.jobs
  return first ? succeed(first) : fail('unreachable', 'later', 'slurmrestd answered without a job and without an error')
}

/**
 * That nothing is new since some time is nothing at all about what there is: until v0.0.39 it is a status of 304, later it
 * looks as an empty cluster does. So we never say since when.
 */
export const allJobs = (reply: Reply): Outcome<SlurmJob[]> => mapped(read(reply, Jobs), ({ jobs }) => jobs)

/** What EPERM is called, which a controller that is gone makes of a cancellation: 24.11 with 500, 26.05 with 403. */
const notPermitted = 1

export function cancelled(reply: Reply): Outcome<null> {
  const complaint = complaintOf(reply)
  if (complaint && isOver(complaint.said)) return succeed(null)
  if (complaint?.number === notPermitted) return fail('unreachable', 'later', complaint.said)
  const answered = read(reply, Cancelled)
  if (!answered.ok) return answered
  // Of a job that is not there it answers with 200 and no error but this.
  const [failed] = answered.value.status ?? []
  return failed && failed.error.code !== 0 && !isOver(failed.error.string)
    ? faultOf(failed.error.string)
    : succeed(null)
}

export function ping(reply: Reply): Outcome<null> {
  const answered = read(reply, Pings)
  if (!answered.ok) return answered
  return answered.value.pings ? succeed(null) : fail('unreachable', 'later', 'no controller of the cluster is up')
}

/** All nodes of the cluster. */
export const nodes = (reply: Reply): Outcome<SlurmNode[]> => mapped(read(reply, Nodes), (all) => all.nodes)

/** The longest that a job may run in a partition (null where it sets no limit), and the names of its nodes. */
export function partition(reply: Reply): Outcome<{ mostMinutes: number | null; hosts: string[] }> {
  const found = read(reply, Partitions)
  const [first] = found.ok ? found.value.partitions : []
  if (first !== undefined) return succeed(first)
  // From v0.0.44 on a partition that is not there is no error.
  const answered = found.ok ? found : read(reply, Anything)
  return answered.ok || /unable to find partition/i.test(answered.fault.detail)
    ? fail('invalid', 'elsewhere', 'the cluster has no such partition; sinfo shows those it has')
    : answered
}

/** Reservations that are in force at a time, in ms since the epoch. */
export const reservations = (reply: Reply, now: number): Outcome<Reservation[]> =>
  mapped(read(reply, Reservations), (all) =>
    all.reservations
      .filter(({ start_time, end_time }) => (start_time ?? 0) * 1000 <= now && now < (end_time ?? Infinity) * 1000)
      .map(({ name, node_list }) => ({ name, nodes: hostsOf(node_list) })),
  )
