import { type RawBuilder, sql } from 'kysely'

import { occupyingStates } from '#model/lease.ts'
import type { Start } from '#model/plan.ts'
import type { Replica } from '#model/replica.ts'
import type { Executor } from '#store/database.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Behind } from '#store/store.ts'
import { replicaColumns } from './columns.ts'

/** What of a spec has no say in where it may be placed. */
export const ofNoNeed =
  'name project priority labels workdir setup run env checkpoint retry expiry ports readiness replicas'.split(' ')

/**
 * What a spec asks of a place, as a short text that is equal for equal wishes; `spec` and `id` are SQL. A budget is each
 * workload's own, and so is what it has done that has a deadline and checkpoints. Of checkpoints it counts whether and how often there are any: that decides on spot and capacity blocks.
 */
export const needOf = (spec: RawBuilder<unknown>, id: RawBuilder<unknown>): RawBuilder<string> => sql`
  md5((${spec} - ${ofNoNeed}::text[])::text || case when ${spec} ? 'budget' then ${id} else '' end
    || case when ${spec} ? 'deadline' and ${spec} -> 'checkpoint' ?| '{everyMs,directory}' then ${id} else '' end
    || case when ${spec} -> 'checkpoint' ?| '{everyMs,directory}'
      then 'checkpoints ' || coalesce(${spec} #>> '{checkpoint,everyMs}', '') else '' end)
`

/** The line in which the replicas of a workload `w` stand: of its project and priority, and with those who need the same. */
export const lineOf = sql`concat_ws(' ', w.project, w.priority, coalesce(w.need, w.id))`

/** The first of each need is read before a second of any other is, a few before more, and some before many. */
const [fewOfNeed, someOfNeed] = [8, 64]

/** Of those at this place in the line of their need, and of this place in SQL: the smaller it is the sooner they are read. */
export const turnOf = (place: number): number =>
  Number(place > 1) + Number(place > fewOfNeed) + Math.trunc((place - 1) / someOfNeed)
const turnAt = (place: RawBuilder<unknown>) => sql`
  (${place} > 1)::int + (${place} > ${fewOfNeed}::int)::int + (${place} - 1) / ${someOfNeed}::int`

/** Of all needs that are asleep no more than so many are read together. */
export const mostAsleep = 4_000

/** Of all others that sleep so many are read again, in turn, so that what they are told stays true. */
export const nextInTurn = 100

export type Asked = { now: number; most: number; asleep: Map<string, number>; after: string | null }
export type Read = 'awake' | 'asleep' | 'untold' | 'promised' | 'turn'
/** `inLine`: how many of its need were in sight; `awake`: of how many needs that do not sleep somebody waits. */
export type Row = Replica & { need: string; start: Start | null; reads: Read[]; inLine: number; awake: number }
export type Queue = {
  replicas: (Replica & { need: string; start: Start | null })[]
  more: boolean
  moreUntold: boolean
  unread: Map<string, number>
  after: string
}

/**
 * Replicas that may be placed, in the order of the queue: the first few of each need (which is of one project and
 * priority, so that nobody hides anybody), then more of each, up to `most`; of needs that are asleep the first few alone.
 * Beside them those that were never told why they wait, those to whom a start is promised, and some of the others `after` a
 * workload. What it costs grows with the needs, not with those who wait.
 */
export async function readQueue(on: Executor, asked: Asked): Promise<Queue> {
  return queueOf(await readRows(on, asked), asked.most)
}

/** What is told of the rows that were read, in order. */
export function queueOf(rows: Row[], most: number): Queue {
  const having = (read: Read): Row[] => rows.filter(({ reads }) => reads.includes(read))
  const firsts = Map.groupBy(rows.filter(isFirst), ({ need }) => need)
  const unread = new Map(
    [...firsts].flatMap(([need, some]) =>
      some.some(({ inLine }) => inLine > some.length) ? [[need, some.length]] : [],
    ),
  )
  const awake = new Set(having('awake').map(({ need }) => need))
  const inTurn = having('turn').map(placeOf).sort(comparePlaces)
  return {
    replicas: rows.map(({ reads: _r, inLine: _l, awake: _a, ...replica }) => replica),
    more: awake.size < (rows[0]?.awake ?? 0),
    moreUntold: having('untold').length >= most || [...awake].some((need) => unread.has(need)),
    unread,
    after: inTurn.length < nextInTurn ? '' : (inTurn.at(-1)?.join(' ') ?? ''),
  }
}

/** A replica in the order in which those asleep are read in turn: an array may have more than are read at once. */
type Place = [workload: string, replica: number]
const placeOf = ({ workload, replica }: Row): Place => [workload, replica]
const comparePlaces = ([a, i]: Place, [b, j]: Place): number => (a === b ? i - j : a < b ? -1 : 1)

const isFirst = ({ reads }: Row): boolean => reads.includes('awake') || reads.includes('asleep')

/** Of a replica `r` that waits and its workload `w`. */
const mayStartAt = (now: number) => sql`(
  r.not_before <= ${now}::bigint and w.wants = 'run' and w.state in ('queued', 'starting', 'running'))`

/** Who avoids a site for a while has another need meanwhile. */
const needAt = (now: number) => sql`case when r.avoid = '{}' then r.need else concat_ws(' ', r.need, (
  select string_agg(key, ' ' order by key) from jsonb_each_text(r.avoid) where value::bigint > ${now}::bigint
)) end`

/** A promise is read with the replica that has it. */
const promisedStart = sql`
  case when r.promised then (select w.refusal -> 'start' from workloads w where w.id = r.workload) end as start`

const inOrder = sql`order by r.priority desc, r.created_at, r.workload, r.replica`

/** Where no more than so many wait they are all read at once: to choose among them takes longer to plan than to do. */
export const fewWait = 64

async function readRows(on: Executor, asked: Asked): Promise<Row[]> {
  const { rows } = await sql<Row & { mayStart: boolean }>`
    select ${replicaColumns('r')}, ${needAt(asked.now)} as need, array['awake'] as reads, 0 as "inLine", 0 as awake,
      ${promisedStart},
      ${mayStartAt(asked.now)} as "mayStart"
    from (select * from replicas where state = 'waiting' limit ${fewWait + 1}) r join workloads w on w.id = r.workload ${inOrder}
  `.execute(on)
  if (rows.length > Math.min(fewWait, asked.most)) return readSome(on, asked)
  return rows.flatMap(({ mayStart, ...row }) => (mayStart ? [row] : []))
}

export type Alone = Omit<Row, 'reads' | 'inLine' | 'awake'>

/** All replicas of these workloads that may be placed; in order, no more than `most`. */
export async function readThese(
  on: Executor,
  { workloads, most, now }: { workloads: readonly string[]; most: number; now: number },
): Promise<Alone[]> {
  const { rows } = await sql<Alone>`
    select ${replicaColumns('r')}, ${needAt(now)} as need, ${promisedStart}
    from replicas r join workloads w on w.id = r.workload
    where r.state = 'waiting' and ${mayStartAt(now)} and r.workload = any(${workloads}::text[])
    ${inOrder} limit ${most}
  `.execute(on)
  return rows
}

/** Those behind each of these in the line of its need that may be placed; in order, no more than `most` of each. */
export async function readBehind(
  on: Executor,
  { behind, most, now }: { behind: readonly Behind[]; most: number; now: number },
): Promise<Alone[]> {
  const { rows } = await sql<Alone>`
    select ${replicaColumns('r')}, r.need, ${promisedStart}
    from json_to_recordset(${JSON.stringify(behind)}::json) as b (need text, "createdAt" bigint, workload text, replica int)
    cross join lateral (
      select r.* from replicas r join workloads w on w.id = r.workload
      where r.state = 'waiting' and ${mayStartAt(now)} and r.avoid = '{}' and r.need = b.need
        and (r.created_at, r.workload, r.replica) > (b."createdAt", b.workload, b.replica)
      order by r.created_at, r.workload, r.replica limit ${most}
    ) r order by r.need, r.created_at, r.workload, r.replica
  `.execute(on)
  return rows
}

async function readSome(on: Executor, { now, most, asleep, after }: Asked): Promise<Row[]> {
  const waiting = sql`
    from replicas r join workloads w on w.id = r.workload where r.state = 'waiting' and ${mayStartAt(now)}`
  const need = needAt(now)
  const sleeps = asleep.size > 0 ? sql`${need} in (select need from asleep)` : sql`false`
  const [workload = null, replica = -1] = after?.split(' ') ?? []
  const first = sql`r.state = 'waiting' and r.avoid = '{}'`
  const { rows } = await sql<Row>`
    with recursive needs (need) as (
      (select r.need from replicas r where ${first} order by r.need limit 1)
      union all
      select (select r.need from replicas r where ${first} and r.need > n.need order by r.need limit 1)
      from needs n where n.need is not null
    ), asleep as (
      select * from unnest(${[...asleep.keys()]}::text[], ${[...asleep.values()]}::int[]) as x (need, depth)
    ), line as (
      select q.*, n.need, a.depth from needs n left join asleep a using (need) cross join lateral (
        select r.workload, r.replica, r.priority, r.created_at,
          row_number() over (order by r.created_at, r.workload, r.replica) as place
        ${waiting} and r.avoid = '{}' and r.need = n.need
        order by r.created_at, r.workload, r.replica limit coalesce(a.depth, ${most}::int) + 1
      ) q
      union all
      select q.workload, q.replica, q.priority, q.created_at,
        row_number() over (partition by q.needs order by q.created_at, q.workload, q.replica), q.needs, a.depth
      from (select r.*, ${need} as needs ${waiting} and r.avoid <> '{}') q left join asleep a on a.need = q.needs
    ), chosen as (
      (
        select workload, replica, need, 'awake' as read from line where depth is null
        order by ${turnAt(sql`place`)}, priority desc, created_at, workload, replica limit ${most}
      ) union all (
        select workload, replica, need, 'asleep' from line where place <= depth
        order by place, priority desc, created_at limit ${mostAsleep}
      ) union all (
        select r.workload, r.replica, ${need}, 'untold' ${waiting} and not r.told
          and ${sleeps}
        order by r.priority desc, r.created_at, r.workload, r.replica limit ${most}
      ) union all (
        select r.workload, r.replica, ${need}, 'promised' ${waiting} and r.promised
        order by r.priority desc, r.created_at limit ${mostAsleep}
      ) union all (
        select r.workload, r.replica, ${need}, 'turn' ${waiting}
          and (r.workload, r.replica) > (${workload}::text, ${Number(replica)}::int) and ${sleeps}
        order by r.workload, r.replica limit ${nextInTurn}
      )
    )
    select ${replicaColumns('r')}, c.need, c.reads, coalesce(l.in_line, 0) as "inLine",
      (select count(distinct need)::int from line where depth is null) as awake, ${promisedStart}
    from (
      select workload, replica, need, array_agg(read) as reads from chosen group by workload, replica, need
    ) c
    left join (select need, count(*) as in_line from line group by need) l on l.need = c.need
    join replicas r on r.workload = c.workload and r.replica = c.replica ${inOrder}
  `.execute(on)
  return rows
}

/**
 * What a lease is read with: `one` where each of them may have to leave for somebody, `moves` where that may be to move. No
 * more than a `few` are told apart in any case.
 */
export type Reading = { apart: string[]; one: boolean; few: number; moves: boolean; now: number }

/** Who says that it saves its work, and an array, which has tasks to begin anew and nothing else, may be moved. */
const isMovable = sql`(w.kind = 'array' or w.kind = 'job' and w.spec -> 'checkpoint' ?| '{everyMs,directory}')`

/**
 * All leases that occupy capacity, and those that are kept for a replica that waits, though nothing may run there any
 * more. Those that hold the same at the same place come as one, which are few where the provider chooses the nodes.
 * `apart` are the workloads whose own leases are told apart from all others', and with `one` all are. What is being
 * retired, or whose attempt is stopping, is there until its grace is over: nobody can be made to leave who leaves anyway.
 */
export async function readLeases(on: Executor, { apart, one, few, moves, now }: Reading): Promise<LiveLease[]> {
  const isFew = sql`(select count(*) from live) <= ${few}::int`
  const alone = sql`(${one}::bool or ${isFew} or l.workload = any(${apart}::text[]) or l.kept_for is not null)`
  const leaving = sql`(k.lease is null and (l.state = 'stopping' or a.state not in ('starting', 'running')))`
  const { rows } = await sql<LiveLease>`
    with kept as materialized (
      select r.kept ->> 'lease' as lease, r.replica, r.kept -> 'lost' as lost
      from replicas r where r.state = 'waiting' and r.kept is not null
    ), held as (
      select l.* from leases l where l.state = any(${occupyingStates}::text[])
      union all select l.* from kept k join leases l on l.id = k.lease where l.state = 'gone'
    ), live as materialized (
      select l.*, ${leaving} as leaves, case when k.lease is not null then
        json_build_object('replica', k.replica, 'lost', k.lost, 'isGone', l.state = 'gone')::jsonb end as kept_for,
        case when ${leaving}
        then least(l.ends_at, greatest(${now}::bigint, coalesce(a.preempted_at, ${now}::bigint) + l.grace_ms))
        when k.lease is null then l.ends_at end as until
      from held l join attempts a on a.id = l.attempt left join kept k on k.lease = l.id
    )
    select l.id, l.workload, l.project, l.provider, l.site, l.tier, l.ranks, l.price_micros as "priceMicros", l.shape, l.beside,
      g.times, w.name, g.ends as "endsAt", v.name as "endsName", g.all_ends as ends, w.priority, w.kind,
      coalesce(l.started_at, l.created_at) as since, l.grace_ms as "graceMs", g.leaves, g.kept_for as "keptFor",
      case when ${moves} then ${isMovable} end as movable,
      case when ${one} then (w.spec #>> '{checkpoint,everyMs}')::bigint end as "savesEveryMs"
    from (
      select max(l.id) as id, bool_and(l.leaves) as leaves, count(*)::int as times, min(l.until) as ends,
        substr(min(lpad(l.until::text, 16, '0') || l.workload), 17) as first,
        json_agg(l.until order by l.until) filter (where l.until is not null) as all_ends, null::jsonb as kept_for
      from live l where not ${alone}
      group by l.project, l.provider, l.site, l.tier, l.shape, l.price_micros, l.ranks, l.beside
      union all
      select l.id, l.leaves, 1, l.until, l.workload, null, l.kept_for from live l where ${alone}
    ) g
    join leases l on l.id = g.id join workloads w on w.id = l.workload left join workloads v on v.id = g.first
    order by l.id
  `.execute(on)
  return rows
}
