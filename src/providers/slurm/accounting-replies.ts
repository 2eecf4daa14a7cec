import { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'

import type { Association, Licence, Qos, Tres } from './accounting.ts'
import { phaseOf, type SlurmJob } from './controller.ts'
import { instantOf } from './fields.ts'
import { Count, mapped, read, type Reply, Text, Words } from './replies.ts'

// What slurmrestd says of accounting and licences, in all versions of its API.

const Amounts = z
  .array(z.object({ type: z.string(), name: Text, count: z.number() }))
  .transform((all): Tres =>
    Object.fromEntries(all.map(({ type, name, count }) => [name === '' ? type : `${type}/${name}`, count])),
  )

const Associations = z.object({
  // Which cluster answers is told from v0.0.40 on.
  meta: z.object({ slurm: z.object({ cluster: z.string() }).optional() }),
  associations: z.array(
    z
      .object({
        cluster: z.string(),
        account: z.string(),
        user: Text,
        parent_account: Text,
        partition: Text,
        is_default: z.union([z.boolean(), z.number()]).optional(),
        qos: Words,
        default: z.object({ qos: Text }),
        max: z.object({
          jobs: z.object({ per: z.object({ wall_clock: Count }) }),
          tres: z.object({ total: Amounts, per: z.object({ job: Amounts }) }),
        }),
      })
      .transform(({ cluster, max, ...one }) => ({
        cluster,
        association: {
          account: one.account,
          user: one.user,
          parent: one.parent_account,
          partition: one.partition,
          isDefault: Boolean(one.is_default),
          qos: one.qos,
          defaultQos: one.default.qos,
          limits: {
            job: max.tres.per.job,
            user: {},
            account: {},
            group: max.tres.total,
            mostMinutes: max.jobs.per.wall_clock,
          },
        },
      })),
  ),
})

const QosFields = z
  .object({
    name: z.string(),
    flags: Words,
    limits: z.object({
      max: z.object({
        tres: z.object({ total: Amounts, per: z.object({ job: Amounts, user: Amounts, account: Amounts }) }),
        wall_clock: z.object({ per: z.object({ job: Count }) }),
      }),
    }),
  })
  .transform(({ name, flags, limits: { max } }): Qos => {
    const limits = { ...max.tres.per, group: max.tres.total, mostMinutes: max.wall_clock.per.job }
    return { name, isOverPartition: flags.includes('OVERRIDE_PARTITION_QOS'), limits }
  })
// Its name was written in capitals until v0.0.39.
const QosList = z.union([
  z.object({ qos: z.array(QosFields) }).transform(({ qos }) => qos),
  z.object({ QOS: z.array(QosFields) }).transform(({ QOS }) => QOS),
])

const Licences = z.object({
  licenses: z.array(
    z
      .object({ LicenseName: z.string(), Total: z.number(), Free: z.number() })
      .transform(({ LicenseName: name, Total: total, Free: free }): Licence => ({ name, total, free })),
  ),
})

const Ended = z.object({
  jobs: z.array(
    z
      .object({
        job_id: z.int(),
        name: z.string(),
        state: z.object({ current: Words, reason: Text }),
        time: z.object({ start: Count, end: Count, limit: Count }),
      })
      .transform(({ job_id, name, state, time: { start, end, limit } }): SlurmJob => {
        const times = { startsAt: instantOf(start), endsAt: instantOf(end), minutes: limit }
        return endedJob({ id: job_id, name, state: state.current[0] ?? '', ...times })
      }),
  ),
})

/** A job as accounting remembers it, which says nothing of comments. */
export const endedJob = ({
  state,
  ...job
}: Omit<SlurmJob, 'comment' | 'phase' | 'detail'> & { state: string }): SlurmJob => ({
  ...job,
  comment: job.name,
  phase: phaseOf(state),
  detail: state,
})

/** Of this cluster alone, though others may be in the same database. */
export function associations(reply: Reply): Outcome<Association[]> {
  // 22.05 calls it an error that there are none.
  const found = read(reply, Associations)
  if (!found.ok) return isNothing(found.fault.detail) ? succeed([]) : found
  const { meta, associations: all } = found.value
  const clusters = new Set(all.map(({ cluster }) => cluster))
  const here = meta.slurm?.cluster
  if (here === undefined && clusters.size > 1)
    return fail('invalid', 'later', 'accounting is of several clusters, and slurmrestd does not say which this is')
  const ours = all.filter(({ cluster }) => here === undefined || cluster === here)
  return succeed(ours.map(({ association }) => association))
}

const isNothing = (said: string): boolean => /nothing found/i.test(said)

const Shares = z.object({
  shares: z.object({
    shares: z.array(
      z.object({
        name: z.string(),
        parent: z.string(),
        type: Words,
        fairshare: z.object({ factor: Count }),
      }),
    ),
  }),
})

/** How well off a user is in an account. */
export const fairShareOf = (
  reply: Reply,
  { user, account }: { user: string; account: string },
): Outcome<number | null> =>
  mapped(read(reply, Shares), ({ shares: { shares } }) => {
    const mine = shares.find(({ name, parent, type }) => name === user && parent === account && type.includes('USER'))
    return mine?.fairshare.factor ?? null
  })

export const qualities = (reply: Reply): Outcome<Qos[]> => read(reply, QosList)

export const licences = (reply: Reply): Outcome<Licence[]> => mapped(read(reply, Licences), (all) => all.licenses)

/** The newest job of a number; null where accounting has none, which 22.05 calls an error. */
export function remembered(reply: Reply): Outcome<SlurmJob | null> {
  const found = read(reply, Ended)
  if (found.ok) return succeed(found.value.jobs.at(-1) ?? null)
  return isNothing(found.fault.detail) ? succeed(null) : found
}

const Partition = z.object({
  partitions: z.array(
    z.union([
      z.object({ maximums: z.object({}), qos: z.object({ assigned: Text }) }).transform(({ qos }) => qos.assigned),
      z.object({ qos: Text }).transform(({ qos }) => qos),
    ]),
  ),
})

/** The quality of service that a partition puts on all its jobs. */
export const partitionQos = (reply: Reply): Outcome<string | null> =>
  mapped(read(reply, Partition), ({ partitions: [first] }) => (first === undefined || first === '' ? null : first))
