import { sql } from 'kysely'

import type { Attempt } from '#model/attempt.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { Replica } from '#model/replica.ts'
import type { Workload } from '#model/workload.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Facts, Follow } from '#store/store.ts'
import { attemptColumns, leaseColumns, rankColumns, replicaColumns, workloadColumns } from './columns.ts'
import { unhurried } from './claims.ts'
import { isOwed, owed } from './owed.ts'

export const createFollow = (database: Database): Follow => ({
  async due(options) {
    const claims = await database.claim((on) => claimDue(on, options))
    // A later look at all of it at once: what comes after the claim makes the workload due again.
    return claims.size === 0 ? [] : database.readAtOnce((on) => factsOf(on, claims, options.now))
  },
  nextDueAt: () =>
    database.read(async (on) => {
      const { rows } = await sql<{ at: number | null }>`
        select min(due_at) as at from workloads where due_at is not null
      `.execute(on)
      return rows[0]?.at ?? null
    }),
})

/** What was claimed, and until when. News ends a claim early: then the next one must not be taken for it. */
async function claimDue(
  on: Executor,
  options: { now: number; most: number; claimMs: number },
): Promise<Map<string, number>> {
  const until = sql`greatest(claimed_until + 1, ${options.now + options.claimMs}::bigint)`
  const { rows } = await sql<{ id: string; claim: number }>`
    update workloads set due_at = ${until}, claimed_until = ${until} from ${unhurried}
    where id in (
      select id from workloads where due_at <= ${options.now}::bigint
      order by due_at limit ${options.most} for no key update skip locked
    ) returning id, claimed_until as claim
  `.execute(on)
  return new Map(rows.map(({ id, claim }) => [id, claim]))
}

type SiteRow = Facts['sites'][string]

async function factsOf(on: Executor, claims: Map<string, number>, now: number): Promise<Facts[]> {
  const mine = sql`= any(${[...claims.keys()]}::text[])`
  const workloads = await sql<WorkloadRow>`
    select ${workloadColumns('w')}, (w.spec ->> 'tasks')::bigint as "tasksTotal", w.tasks_succeeded as "tasksSucceeded",
      w.tasks_failed as "tasksFailed", w.tasks_leased as "tasksLeased",
      coalesce(s.amount_micros, 0) + coalesce(o.micros, 0) as "spentMicros", s.warned_at is not null as warned
    from workloads w left join spent s on s.kind = 'workload' and s.name = w.id
    left join lateral (
      select sum(${owed(now)}) as micros from leases l where w.spec ? 'budget' and l.workload = w.id and ${isOwed}
    ) o on true
    where w.id ${mine} order by w.id
  `.execute(on)
  const replicas = await sql<Replica>`
    select ${replicaColumns('r')} from replicas r where r.workload ${mine} order by r.workload, r.replica
  `.execute(on)
  const attempts = await sql<Attempt>`
    select ${attemptColumns('a')} from attempts a
    where a.workload ${mine} and a.ended_at is null order by a.workload, a.number
  `.execute(on)
  const leases = await sql<Lease>`
    select ${leaseColumns('l')} from leases l where l.workload ${mine} and (
      l.state not in ('gone', 'refused') or l.attempt = any(${attempts.rows.map(({ id }) => id)}::text[])
    ) order by l.created_at, l.id
  `.execute(on)
  const ranks = await sql<Rank>`
    select ${rankColumns('r')} from ranks r
    where r.lease = any(${leases.rows.map(({ id }) => id)}::text[]) order by r.lease, r.rank
  `.execute(on)
  const sites = await sql<SiteRow>`
    select key as site, reach, since, detail, coalesce(asked_at, since) as "askedAt", (site ->> 'patienceMs')::bigint as "patienceMs",
      (site ->> 'upWithinMs')::bigint as "upWithinMs" from sites
    where key = any(${[...new Set(leases.rows.map(keyOf))]}::text[])
  `.execute(on)
  return assemble({
    claims,
    workloads: workloads.rows,
    replicas: replicas.rows,
    attempts: attempts.rows,
    leases: leases.rows,
    ranks: ranks.rows,
    sites: sites.rows,
  })
}

export type WorkloadRow = Workload & {
  tasksTotal: number | null
  tasksSucceeded: number
  tasksFailed: number
  tasksLeased: number
  spentMicros: bigint
  warned: boolean
}

const keyOf = ({ provider, site }: Lease): string => `${provider}/${site}`

export function assemble(all: {
  claims: Map<string, number>
  workloads: WorkloadRow[]
  replicas: Replica[]
  attempts: Attempt[]
  leases: Lease[]
  ranks: Rank[]
  sites: SiteRow[]
}): Facts[] {
  const replicas = Map.groupBy(all.replicas, ({ workload }) => workload)
  const attempts = Map.groupBy(all.attempts, ({ workload }) => workload)
  const leases = Map.groupBy(all.leases, ({ workload }) => workload)
  const ranks = Map.groupBy(all.ranks, ({ lease }) => lease)
  const sites = new Map(all.sites.map((site) => [site.site, site]))
  return all.workloads.map((row) => {
    const { tasksTotal, tasksSucceeded, tasksFailed, tasksLeased, spentMicros, warned, ...workload } = row
    const its = leases.get(workload.id) ?? []
    const latest = new Map(its.map((lease) => [lease.attempt, lease]))
    const live = (attempts.get(workload.id) ?? []).flatMap((attempt) => {
      const lease = latest.get(attempt.id)
      return lease ? [{ ...attempt, lease, ranks: ranks.get(lease.id) ?? [] }] : []
    })
    const used = new Set(live.map(({ lease }) => lease.id))
    return {
      claim: all.claims.get(workload.id) as number, // only what is claimed is read
      workload,
      replicas: replicas.get(workload.id) ?? [],
      attempts: live,
      leftovers: its.filter(({ id, state }) => !used.has(id) && state !== 'gone' && state !== 'refused'),
      tasks:
        tasksTotal === null
          ? null
          : {
              succeeded: tasksSucceeded,
              failed: tasksFailed,
              leased: tasksLeased,
              waiting: tasksTotal - tasksSucceeded - tasksFailed - tasksLeased,
            },
      spentMicros,
      warned,
      sites: Object.fromEntries(
        its.map(keyOf).flatMap((key) => (sites.has(key) ? [[key, sites.get(key) as SiteRow]] : [])),
      ), // just looked up
    }
  })
}
