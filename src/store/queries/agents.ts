import { sql } from 'kysely'

import { shellCode } from '#kit/exit-code.ts'
import type { AgentReport } from '#model/agent-protocol.ts'
import { causeOfExit } from '#model/cause.ts'
import { type Attempt, attemptMoves } from '#model/attempt.ts'
import type { Lease } from '#model/lease.ts'
import { finalStates, statesBefore } from '#model/moves.ts'
import { type Rank, rankMoves } from '#model/rank.ts'
import type { Workload } from '#model/workload.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Agents, AgentView } from '#store/store.ts'
import { attemptColumns, leaseColumns, rankColumns, workloadColumns } from './columns.ts'
import { dueWithNews } from './news-due.ts'
import { nudge } from './nudge.ts'
import { parts } from './sites.ts'
import { exchangeTasks } from './tasks.ts'

/** Being heard again is no news; it is written down no more often than this. */
export const heardEveryMs = 2000

export const createAgents = (database: Database): Agents => ({
  view: (lease) => database.readAtOnce(async (on) => (await viewsOf(on, [lease])).get(lease) ?? null),
  views: (leases) => database.readAtOnce((on) => viewsOf(on, leases)),
  async report(lease, report, now) {
    const known = await database.read((on) => rankOf(on, lease, report.rank))
    if (!known) return
    const next = heard(known, report, now)
    const news = differs(known, next)
    if (!news && now - (known.heardAt ?? 0) < heardEveryMs) return
    await database.write((on) => write(on, { next, news, now, number: report.number ?? null }))
  },
  heard: (ranks, now) =>
    database.write(async (on) => {
      await sql`
        update ranks r set heard_at = ${now}::bigint
        from (
          select * from unnest(${ranks.map(({ lease }) => lease)}::text[], ${ranks.map(({ rank }) => rank)}::int[])
            as x (lease, rank) order by lease, rank
        ) x
        where r.lease = x.lease and r.rank = x.rank and coalesce(r.heard_at, 0) < ${now}::bigint
      `.execute(on)
    }),
  fellSilent: ({ from, to }, now) =>
    database.write(async (on) => {
      const { rows } = await sql`
        update workloads w set due_at = ${dueWithNews(now)} where w.id in (
          select id from workloads where due_at is not null and id in (
            select l.workload from leases l join ranks r on r.lease = l.id
            where l.state in ('starting', 'held') and r.state in ('arrived', 'running')
              and r.heard_at >= ${from}::bigint and r.heard_at < ${to}::bigint
          ) order by id for no key update
        ) returning w.id
      `.execute(on)
      if (rows.length > 0) await nudge(on, ['follow'])
    }),
  heardAt: (sites) =>
    database.read(async (on) => {
      const { rows } = await sql<{ site: string; at: number }>`
        select x.key as site, max(r.heard_at) as at
        from unnest(${sites}::text[], ${sites.map((key) => parts(key)[0])}::text[], ${sites.map((key) => parts(key)[1])}::text[])
          as x (key, provider, site)
        join leases l on l.provider = x.provider and l.site = x.site and l.state in ('starting', 'held')
        join ranks r on r.lease = l.id and r.state in ('arrived', 'running') and r.heard_at is not null
        group by x.key
      `.execute(on)
      return new Map(rows.map(({ site, at }) => [site, at]))
    }),
  tasks: (lease, report, now) => database.write((on) => exchangeTasks(on, { lease, report, now })),
})

/** What is known for each of some leases; a lease that is not there has none. */
async function viewsOf(on: Executor, ids: string[]): Promise<Map<string, AgentView>> {
  const { rows: leases } = await sql<Lease>`
    select ${leaseColumns('l')} from leases l where l.id = any(${ids}::text[])
  `.execute(on)
  const { rows: attempts } = await sql<Attempt & { later: boolean }>`
    select ${attemptColumns('a')}, exists (
      select 1 from attempts b where b.workload = a.workload and b.replica = a.replica and b.number > a.number
    ) as later from attempts a where a.id = any(${leases.map(({ attempt }) => attempt)}::text[])
  `.execute(on)
  const { rows: workloads } = await sql<Workload>`
    select ${workloadColumns('w')} from workloads w where w.id = any(${leases.map(({ workload }) => workload)}::text[])
  `.execute(on)
  const { rows: ranks } = await sql<Rank>`
    select ${rankColumns('r')} from ranks r where r.lease = any(${ids}::text[]) order by r.lease, r.rank
  `.execute(on)
  const attemptOf = new Map(attempts.map((attempt) => [attempt.id, attempt]))
  const workloadOf = new Map(workloads.map((workload) => [workload.id, workload]))
  const ranksOf = Map.groupBy(ranks, ({ lease }) => lease)
  const views = leases.flatMap((lease): [string, AgentView][] => {
    const found = attemptOf.get(lease.attempt)
    const workload = workloadOf.get(lease.workload)
    if (!found || !workload) return []
    const { later, ...attempt } = found
    const over = finalStates(attemptMoves).some((state) => state === attempt.state)
    return [[lease.id, { lease, attempt, workload, ranks: ranksOf.get(lease.id) ?? [], fenced: later || over }]]
  })
  return new Map(views)
}

async function rankOf(on: Executor, lease: string, rank: number): Promise<Rank | undefined> {
  const { rows } = await sql<Rank>`
    select ${rankColumns('r')} from ranks r where r.lease = ${lease} and r.rank = ${rank}
  `.execute(on)
  return rows[0]
}

/** The row after a report. A late one, of a state that is past, tells only that the agent lives. */
export function heard(known: Rank, report: AgentReport, now: number): Rank {
  const heardAt = Math.max(now, known.heardAt ?? 0)
  const follows = report.state === known.state || statesBefore(rankMoves, report.state).includes(known.state)
  if (!follows) return { ...known, heardAt }
  const ours = (at: number | null): number | null => (at === null ? null : houseTime(at, report, now))
  return {
    ...known,
    state: report.state,
    address: report.address,
    endpoints: report.endpoints,
    ready: report.state === 'running' && report.ready,
    exitCode: known.exitCode ?? (report.exit ? shellCode(report.exit) : null),
    startedAt: known.startedAt ?? ours(report.startedAt),
    endedAt: known.endedAt ?? ours(report.endedAt),
    heardAt,
    cause: (report.exit && causeOfExit(report.exit)) ?? (report.state === known.state ? known.cause : null),
  }
}

/** A time by the agent's clock, told by ours: clocks differ, and which rank failed first is decided by it. */
const houseTime = (at: number, { sentAt }: AgentReport, now: number): number =>
  Math.min(now, at + now - (sentAt ?? now))

export const differs = ({ heardAt: _before, ...known }: Rank, { heardAt: _after, ...next }: Rank): boolean =>
  JSON.stringify(known) !== JSON.stringify(next)

type Written = { next: Rank; news: boolean; now: number; number: number | null }

async function write(on: Executor, { next, news, now, number }: Written): Promise<void> {
  // State and number are asked again: another report of the same rank may have come in between.
  const { rows } = await sql`
    update ranks set state = ${next.state}, address = ${next.address}, endpoints = ${JSON.stringify(next.endpoints)}::jsonb,
      ready = ${next.ready}, exit_code = ${next.exitCode}::int, started_at = ${next.startedAt}::bigint,
      ended_at = ${next.endedAt}::bigint, heard_at = ${next.heardAt}::bigint,
      cause = ${next.cause === null ? null : JSON.stringify(next.cause)}::jsonb, report = coalesce(${number}::bigint, report)
    where lease = ${next.lease} and rank = ${next.rank} and report <= coalesce(${number}::bigint, report)
      and state = any(${[next.state, ...statesBefore(rankMoves, next.state)]}::text[]) returning rank
  `.execute(on)
  if (rows.length === 0 || !news) return
  await sql`
    update workloads w set due_at = ${dueWithNews(now)}
    where w.id = (select workload from leases where id = ${next.lease}) and w.due_at is not null
  `.execute(on)
  await nudge(on, ['follow', 'agents'])
}
