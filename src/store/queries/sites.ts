import { sql } from 'kysely'

import { type Lease, seatedAs, seatsOf } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import { lapseMs, type SiteReach, siteKey } from '#model/site.ts'
import type { Database, Executor } from '#store/database.ts'
import type { Claim, QueueSnapshot, SeenRank, Sites } from '#store/store.ts'
import { holds } from './claims.ts'
import { leaseColumns, rankColumns } from './columns.ts'
import { addEvents } from './events.ts'
import { dueWithNews } from './news-due.ts'
import { nudge } from './nudge.ts'
import { mayFollow } from './rank-moves.ts'
import { reachedEvent, warnedEvent } from './told.ts'

export const createSites = (database: Database): Sites => ({
  list: () => database.read(listSites),
  put: (site, now) =>
    database.write(async (on) => {
      const { rows } = await sql`
        insert into sites as s (key, site, since) values (${siteKey(site)}, ${JSON.stringify(site)}::jsonb, ${now}::bigint)
        on conflict (key) do update set site = excluded.site where s.site <> excluded.site returning key
      `.execute(on)
      if (rows.length > 0) await nudge(on, ['admit'])
    }),
  forget: (site) => database.write((on) => forget(on, site)),
  offered: (...[site, offers, nodes, now]) =>
    database.write(async (on) => {
      // A changed offer may be what somebody waits for; the same again (only younger) is no news.
      const { rows } = await sql<{ news: boolean }>`
        with before as (select key, ${ageless(sql`offers`)} as offers, nodes from sites where key = ${site})
        update sites s set offers = ${JSON.stringify(offers)}::jsonb, nodes = ${jsonOrNull(nodes)}::jsonb, offers_at = ${now}::bigint
        from before where s.key = before.key
        returning (${ageless(sql`s.offers`)}, s.nodes) is distinct from (before.offers, before.nodes) as news
      `.execute(on)
      if (rows[0]?.news) await nudge(on, ['admit'])
    }),
  reached: (told, claim) => database.write((on) => reached(on, told, claim)),
  count: (site) =>
    database.read(async (on) => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from leases l where ${isAt(site)} and l.state in ('starting', 'held', 'stopping', 'lost')
      `.execute(on)
      return rows[0]?.count ?? 0
    }),
  kept: () => database.read(keptNodes),
  differing: (site, listed) => database.readAtOnce((on) => differing(on, site, listed)),
  saw: (ranks, now) => database.write((on) => saw(on, ranks, now)),
  began: (leases, now) => database.write((on) => began(on, leases, now)),
  orphans: (tokens) =>
    database.read(async (on) => {
      const { rows } = await sql<{ token: string; wasHeld: boolean }>`
        select t.token, l.started_at is not null as "wasHeld"
        from unnest(${tokens}::text[]) with ordinality as t (token, place) left join leases l on l.id = t.token
        where l.id is null or l.state in ('gone', 'refused') order by t.place
      `.execute(on)
      return rows
    }),
})

const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

/** Offers without the time they were asked for. */
export const ageless = (offers: ReturnType<typeof sql>) =>
  sql`(select jsonb_agg(o - 'asOf') from jsonb_array_elements(${offers}) o)`

export async function listSites(on: Executor): Promise<QueueSnapshot['sites']> {
  const { rows } = await sql<QueueSnapshot['sites'][number]>`
    select key as site, reach, since, detail, nodes, site as info, leaving,
      case when leaving is null then offers else '[]' end as offers
    from sites order by key
  `.execute(on)
  return rows
}

async function keptNodes(on: Executor): Promise<Map<string, number>> {
  const { rows } = await sql<{ site: string; nodes: number }>`
    select l.provider || '/' || l.site as site, count(distinct n.node)::int as nodes
    from replicas r join leases l on l.id = r.kept ->> 'lease' cross join lateral (
      select k ->> 'node' as node from jsonb_array_elements(l.ranks) k where not r.kept -> 'lost' @> (k -> 'rank')
      union all select jsonb_array_elements_text(coalesce(l.beside -> 'spares', '[]'))
    ) n
    where r.state = 'waiting' and r.kept is not null group by 1
  `.execute(on)
  return new Map(rows.map(({ site, nodes }) => [site, nodes]))
}

async function reached(on: Executor, seen: SiteReach, claim: Claim): Promise<boolean> {
  const { site, reach, detail, since } = seen
  if (!(await holds(on, claim))) return false
  const { rows } = await sql<{ isNews: boolean; isWarned: boolean }>`
    with before as (
      select key, reach, since, detail,
        reach <> 'reachable' and coalesce(asked_at, since) + ${lapseMs}::bigint < ${since}::bigint as "isLapsed"
      from sites
      -- Who stood still knows of a time before this one.
      where key = ${site} and (reach <> ${reach} or reach <> 'reachable' or detail <> ${detail})
        and since <= ${since}::bigint for update
    )
    update sites s set reach = ${reach}, detail = ${detail}, asked_at = ${since}::bigint,
      since = case when before.reach = ${reach} and not before."isLapsed" then before.since else ${since}::bigint end
    from before where s.key = before.key
    returning before.reach <> ${reach} as "isNews",
      s.reach = 'reachable' and s.detail <> '' and (before.reach <> s.reach or before.detail = '') as "isWarned"
  `.execute(on)
  const [told] = rows
  if (told?.isWarned) await addEvents(on, [warnedEvent(site, detail)], since)
  if (told?.isWarned && !told.isNews) await nudge(on, ['events'])
  if (!told?.isNews) return false
  await addEvents(on, [reachedEvent({ site, reach, detail })], since)
  const [provider, name] = parts(site)
  await sql`
    update workloads w set due_at = ${dueWithNews(since)}
    where w.due_at is not null and w.id in (
      select workload from leases where provider = ${provider} and site = ${name} and state not in ('gone', 'refused')
    )
  `.execute(on)
  // What was put off because it did not answer need not wait any longer: an old attempt may still run there.
  if (reach === 'reachable')
    await sql`
      update operations set not_before = least(not_before, ${since}::bigint) where site = ${site} and state = 'intended'
    `.execute(on)
  await nudge(on, ['admit', 'follow', 'retire', 'launch', 'events'])
  return true
}

async function forget(on: Executor, site: string): Promise<boolean> {
  const [provider, name] = parts(site)
  const { rows } = await sql`
    delete from sites where key = ${site} and declaration is null and not exists (
      select 1 from leases where provider = ${provider} and site = ${name} and state not in ('gone', 'refused')
    ) returning key
  `.execute(on)
  if (rows.length > 0) await nudge(on, ['admit'])
  return rows.length > 0
}

export const parts = (site: string): [string, string] => {
  const slash = site.indexOf('/')
  return [site.slice(0, slash), site.slice(slash + 1)]
}

const isAt = (key: string) => {
  const [provider, name] = parts(key)
  return sql`l.provider = ${provider} and l.site = ${name}`
}

async function differing(
  on: Executor,
  site: string,
  listed: Parameters<Sites['differing']>[1],
): ReturnType<Sites['differing']> {
  // A lease that is `wanted` is not asked for yet: nobody takes a launch on its way for a loss. All are compared here,
  // where the rows are, since hardly any of them differ.
  const leases = await sql<Lease>`
    with listed as materialized (
      select * from json_to_recordset(${JSON.stringify(listed)}::json) as x (
        lease text, rank int, state text, cause text, "leavesAt" bigint, ready boolean, address text
      )
    )
    select ${leaseColumns('l')} from leases l
    left join (select lease, count(*) as ranks from listed group by lease) shown on shown.lease = l.id
    where ${isAt(site)} and l.state in ('starting', 'held', 'stopping', 'lost') and (
      l.id in (
        select r.lease from listed x join ranks r on r.lease = x.lease and r.rank = x.rank
        where r.state <> 'exited' and (
          r.state <> x.state or x."leavesAt" < coalesce(r.leaves_at, x."leavesAt" + 1)
          or (r.state = 'expected' and x.cause <> coalesce(r.cause ->> 'kind', ''))
          or x.ready <> r.ready or x.address <> coalesce(r.address, '')
        )
      )
      or (l.state in ('starting', 'held') and coalesce(shown.ranks, 0) < jsonb_array_length(l.ranks))
    ) order by l.id
  `.execute(on)
  const ranks = await sql<Rank>`
    select ${rankColumns('r')} from ranks r
    where r.lease = any(${leases.rows.map(({ id }) => id)}::text[]) order by r.lease, r.rank
  `.execute(on)
  const of = Map.groupBy(ranks.rows, ({ lease }) => lease)
  return leases.rows.map((lease) => ({ ...lease, ranksSeen: of.get(lease.id) ?? [] }))
}

async function reseat(on: Executor, ranks: SeenRank[]): Promise<void> {
  const seats = seatsOf(ranks)
  if (seats.size === 0) return
  const { rows } = await sql<Pick<Lease, 'id' | 'ranks'>>`
    select id, ranks from leases where id = any(${[...seats.keys()]}::text[]) order by id for update
  `.execute(on)
  for (const { id, ranks: before } of rows) {
    const after = JSON.stringify(seatedAs(before, seats.get(id) ?? new Map()))
    await sql`update leases set ranks = ${after}::jsonb where id = ${id}`.execute(on)
  }
}

const isServedOtherwise = sql`(
  (x.serving ->> 'ready')::boolean <> r.ready or x.serving ->> 'address' <> coalesce(r.address, '')
)`

async function saw(on: Executor, ranks: SeenRank[], now: number): Promise<void> {
  if (ranks.length === 0) return
  await reseat(on, ranks)
  const { rows } = await sql<{ lease: string }>`
    update ranks r set state = x.state, exit_code = coalesce(x."exitCode", r.exit_code),
      started_at = coalesce(r.started_at, x."startedAt"), ended_at = coalesce(r.ended_at, x."endedAt"),
      cause = coalesce(x.cause, case when r.state = x.state then r.cause end),
      leaves_at = least(r.leaves_at, x."leavesAt"),
      ready = coalesce((x.serving ->> 'ready')::boolean, r.ready), address = coalesce(x.serving ->> 'address', r.address),
      endpoints = coalesce(x.serving -> 'endpoints', r.endpoints)
    from (
      select * from json_to_recordset(${JSON.stringify(ranks)}::json) as x (
        lease text, rank int, state text, "exitCode" int, "startedAt" bigint, "endedAt" bigint, cause jsonb, "leavesAt" bigint,
        serving jsonb
      ) order by lease, rank
    ) x
    where r.lease = x.lease and r.rank = x.rank and (${mayFollow(sql`r.state`, sql`x.state`)} or (
      r.state = x.state and r.state <> 'exited'
      and (x."leavesAt" < coalesce(r.leaves_at, x."leavesAt" + 1) or (x.cause is not null and x.cause is distinct from r.cause)
        or ${isServedOtherwise})
    ))
    returning r.lease
  `.execute(on)
  if (rows.length === 0) return
  await sql`
    update workloads w set due_at = ${dueWithNews(now)}
    where w.due_at is not null
      and w.id in (select workload from leases where id = any(${[...new Set(rows.map(({ lease }) => lease))]}::text[]))
  `.execute(on)
  await nudge(on, ['follow', 'agents'])
}

async function began(on: Executor, leases: Parameters<Sites['began']>[0], now: number): Promise<void> {
  if (leases.length === 0) return
  const since = sql`greatest(l.created_at, least(x.since, ${now}::bigint))`
  const { rows } = await sql<{ workload: string }>`
    update leases l set started_at = ${since}, metered_until = ${since}
    from (
      select * from json_to_recordset(${JSON.stringify(leases)}::json) as x (lease text, since bigint) order by lease
    ) x
    where l.id = x.lease and l.state in ('wanted', 'starting', 'held', 'stopping')
      -- It may have been heard of before its site told since when, but nothing was written for it yet.
      and (l.started_at is null or (l.started_at = l.metered_until and ${since} < l.started_at))
    returning l.workload
  `.execute(on)
  if (rows.length === 0) return
  // With a budget it is known from now on when that will be used up.
  await sql`
    update workloads w set due_at = ${dueWithNews(now)}
    where w.due_at is not null and w.id = any(${[...new Set(rows.map(({ workload }) => workload))]}::text[])
  `.execute(on)
  await nudge(on, ['follow'])
}
