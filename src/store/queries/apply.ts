import { type RawBuilder, sql } from 'kysely'

import type { Ids } from '#kit/ids.ts'
import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { NewEvent } from '#model/event.ts'
import { leaseMoves } from '#model/lease.ts'
import { finalStates, statesBefore } from '#model/moves.ts'
import { workloadMoves } from '#model/workload.ts'
import type { Executor } from '#store/database.ts'
import type { Nudge } from '#store/store.ts'
import { tell } from './events.ts'
import { of, type Of, rounds, steps } from './in-steps.ts'
import { warnOnce } from './ledger.ts'
import { attemptEvent, closedDetail, lostEvent, retiredDetail, workloadEvent } from './told.ts'

/** What the changes of one transaction have in common. */
type Applying = {
  on: Executor
  now: number
  ids: Ids
  nudges: Set<Nudge>
  /** Leases that hold nothing any more. */
  gone: string[]
  events: NewEvent[]
  count: number
}

/**
 * Applies changes within a transaction: all of one kind together, what holds capacity first, so that a replica only goes
 * back to the queue once nothing of it lives. A change that no longer fits its row changes nothing.
 */
export async function apply(on: Executor, changes: Change[], { now, ids }: { now: number; ids: Ids }): Promise<number> {
  if (changes.length === 0) return 0
  const applying: Applying = { on, now, ids, nudges: new Set(), gone: [], events: [], count: 0 }
  await lockWorkloads(on, changes)
  await moveLeases(applying, of(changes, 'lease'))
  await retireLeases(applying, of(changes, 'retire'))
  await moveAttempts(applying, of(changes, 'attempt'))
  await markReady(applying, of(changes, 'attempt-ready'))
  await releaseTasks(applying, of(changes, 'release-tasks'))
  await requeue(applying, of(changes, 'replica-waits'))
  await finish(applying, of(changes, 'replica-done'))
  await moveWorkloads(applying, of(changes, 'workload'))
  await explain(applying, of(changes, 'reason'))
  await lookAgain(applying, of(changes, 'look-again'))
  await warn(applying, of(changes, 'warn'))
  applying.events.push(...of(changes, 'event').map(({ event }) => event))
  if (applying.events.length > 0) applying.nudges.add('events')
  await tell(on, { events: applying.events, now, nudges: applying.nudges, news: applying })
  return applying.count + of(changes, 'event').length
}

/** All that write about workloads lock them first and in one order, so that they wait for each other instead of colliding. */
async function lockWorkloads(on: Executor, changes: Change[]): Promise<void> {
  const workloads = changes.flatMap((change) => {
    if (change.change === 'workload' || change.change === 'reason' || change.change === 'look-again') return [change.id]
    return 'workload' in change ? [change.workload] : []
  })
  const attempts = [...of(changes, 'attempt'), ...of(changes, 'attempt-ready')].map(({ id }) => id)
  const leases = [...of(changes, 'lease').map(({ id }) => id), ...of(changes, 'retire').map(({ lease }) => lease)]
  await sql`
    select id from workloads where id = any(
      ${workloads}::text[]
      || array(select workload from attempts where id = any(${attempts}::text[]))
      || array(select workload from leases where id = any(${leases}::text[]))
    ) order by id for no key update
  `.execute(on)
}

type Moved = { id: string; name: string; workload: string; project: string }

const record = (changes: { id: string; reason?: string; exitCode?: number }[]): RawBuilder<unknown> =>
  sql`json_to_recordset(${JSON.stringify(changes)}::json) as x (id text, reason text, "exitCode" int)`

async function moveLeases(applying: Applying, changes: Of<'lease'>[]): Promise<void> {
  const { on, now } = applying
  for (const { to, group, from } of steps(changes, leaseMoves)) {
    const x = sql`json_to_recordset(${JSON.stringify(group)}::json) as x (id text, since bigint, "inLine" boolean)`
    const inLine = sql`coalesce(x."inLine", false)`
    const begun = sql`greatest(l.created_at, least(coalesce(x.since, ${now}::bigint), ${now}::bigint))`
    const billed = ['starting', 'held'].includes(to)
    const over = ['gone', 'lost', 'refused'].includes(to)
    // One that was lost and is seen again never ended: its time since then is billed as well.
    const { rows } = await sql<Moved & { site: string; wasLost: boolean }>`
      with moved as (
        update leases l set state = ${to}
          ${to === 'stopping' ? sql`, ended_at = null` : sql``}
          ${
            billed
              ? sql`, started_at = coalesce(l.started_at, case when not ${inLine} then ${begun} end),
            metered_until = coalesce(l.metered_until, case when not ${inLine} then ${begun} end)`
              : sql``
          }
          ${over ? sql`, ended_at = coalesce(l.ended_at, greatest(${now}::bigint, l.started_at, l.metered_until))` : sql``}
        from ${x} join leases m on m.id = x.id join workloads w on w.id = m.workload
        where l.id = m.id and l.state = any(${from}::text[])
        returning l.id, w.name, l.workload, l.project, l.provider || '/' || l.site as site, m.state = 'lost' as "wasLost"
      ) ${to === 'held' || to === 'gone' ? sql`, closed as (${closeLaunches(to)})` : sql``}
      select * from moved
    `.execute(on)
    applying.count += rows.length
    if (rows.length > 0) applying.nudges.add('agents')
    // What was lost and is seen again holds capacity that nobody decided on.
    if ((to === 'lost' && rows.length > 0) || rows.some(({ wasLost }) => wasLost)) applying.nudges.add('admit')
    else if (over) applying.gone.push(...rows.map(({ id }) => id))
    // One that its provider took while it was being stopped is billed all the same, until nothing is left of it.
    if (to === 'starting')
      await sql`
        update leases l set started_at = ${begun}, metered_until = ${begun} from ${x}
        where l.id = x.id and l.state = 'stopping' and l.started_at is null and not ${inLine}
      `.execute(on)
    if (to !== 'lost') continue
    applying.events.push(...rows.map(lostEvent))
  }
}

/** What was seen up has been launched, and what is gone never will be, though whoever asked for it died before the answer. */
const closeLaunches = (to: 'held' | 'gone') => sql`
  update operations o set state = ${to === 'held' ? 'done' : 'failed'}, detail = ${closedDetail(to)}
  from moved cross join lateral (
    select id, state from operations where lease = moved.id and kind = 'launch' offset 0 -- by its key: many more are open
  ) its where o.id = its.id and its.state = 'intended'
`

async function retireLeases(applying: Applying, changes: Of<'retire'>[]): Promise<void> {
  if (changes.length === 0) return
  const { on, now, ids } = applying
  const [once = []] = rounds(changes, ({ lease }) => lease)
  const wanted = once.map(({ lease, site }) => ({ id: ids('o'), lease, site }))
  const leases = once.map(({ lease }) => lease)
  const { rows } = await sql`
    insert into operations (id, lease, kind, site, token, not_before)
    select x.id, x.lease, 'retire', x.site, x.lease, ${now}::bigint
    from json_to_recordset(${JSON.stringify(wanted)}::json) as x (id text, lease text, site text)
    join leases l on l.id = x.lease and l.state not in ('gone', 'refused')
    on conflict (lease, kind) do update set state = 'intended', not_before = excluded.not_before
    where operations.state = 'failed' returning id
  `.execute(on)
  // A lost lease stays lost until the provider shows that nothing of it is left.
  await sql`
    update leases set state = 'stopping'
    where id = any(${leases}::text[]) and state = any(${statesBefore(leaseMoves, 'stopping')}::text[]) and state <> 'lost'
  `.execute(on)
  // A launch that nobody is at now must not run any more.
  await sql`
    update operations set state = 'failed', detail = ${retiredDetail}
    where lease = any(${leases}::text[]) and kind = 'launch' and state = 'intended'
      and (claimed_until is null or claimed_until < clock_timestamp())
  `.execute(on)
  applying.count += rows.length
  applying.nudges.add('retire').add('agents')
}

async function moveAttempts(applying: Applying, changes: Of<'attempt'>[]): Promise<void> {
  const { on, now } = applying
  for (const { to, group, from } of steps(changes, attemptMoves)) {
    const over = finalStates(attemptMoves).some((state) => state === to)
    const { rows } = await sql<Moved & { number: number; reason: string }>`
      with moved as (
        update attempts a set state = ${to}, reason = x.reason, exit_code = coalesce(x."exitCode", a.exit_code)
          ${to === 'running' ? sql`, started_at = coalesce(a.started_at, ${now}::bigint)` : sql``}
          ${over ? sql`, ended_at = ${now}::bigint, ready = false` : sql``}
        from ${record(group)} join attempts b on b.id = x.id join workloads w on w.id = b.workload
        where a.id = x.id and a.state = any(${from}::text[])
        returning a.id, w.name, a.workload, w.project, a.number, a.reason, a.started_at
      ) ${to === 'running' ? sql`, known as (${noteKnownEnds})` : sql``}
      select id, name, workload, project, number, reason from moved
    `.execute(on)
    applying.count += rows.length
    if (rows.length > 0) applying.nudges.add('agents')
    applying.events.push(...rows.map((row) => attemptEvent(to, row)))
  }
}

/** In milliseconds, of a workload `w`: of the accelerators that it names, it may run on the slowest. */
const lastsMs = sql`coalesce(
  (w.spec #>> '{duration,maximumMs}')::bigint,
  ceil((w.spec #>> '{duration,expectedMs}')::bigint
    / coalesce((select least(1, min(value::numeric)) from jsonb_each_text(w.spec -> 'throughput')), 1))::bigint
)`

/** For admission, which would read the specs of all that runs for it. */
const noteKnownEnds = sql`
  update leases l set ends_at = a.started_at + ${lastsMs} from moved a join workloads w on w.id = a.workload
  where l.attempt = a.id and ${lastsMs} is not null
`

async function markReady(applying: Applying, changes: Of<'attempt-ready'>[]): Promise<void> {
  for (const round of rounds(changes, ({ id }) => id)) {
    const { rows } = await sql`
      update attempts a set ready = x.ready
      from unnest(${round.map(({ id }) => id)}::text[], ${round.map(({ ready }) => ready)}::bool[]) as x (id, ready)
      where a.id = x.id and a.ready <> x.ready and a.state in ('starting', 'running', 'stopping') returning a.id
    `.execute(applying.on)
    applying.count += rows.length
    if (rows.length > 0) applying.nudges.add('events')
  }
}

async function releaseTasks(applying: Applying, changes: Of<'release-tasks'>[]): Promise<void> {
  for (const { workload, attempt } of changes) {
    const { rows } = await sql<{ count: number }>`
      with released as (
        update tasks set state = 'waiting', attempt = null
        where workload = ${workload} and attempt = ${attempt} and state = 'leased' returning index
      )
      update workloads set tasks_leased = tasks_leased - (select count(*) from released) where id = ${workload}
      returning (select count(*) from released) as count
    `.execute(applying.on)
    if ((rows[0]?.count ?? 0) === 0) continue
    applying.count += 1
    applying.nudges.add('agents')
  }
}

async function requeue(applying: Applying, changes: Of<'replica-waits'>[]): Promise<void> {
  for (const round of rounds(changes, ({ workload, replica }) => `${workload} ${replica}`)) {
    // While an attempt of it lives the decision was made on old facts: somebody else queued and placed it already.
    const { rows } = await sql`
      update replicas r set state = 'waiting', losses = x.losses, failures = x.failures,
        not_before = x."notBefore", avoid = x.avoid, kept = x.kept
      from json_to_recordset(${JSON.stringify(round)}::json) as x (
        workload text, replica int, losses int, failures int, "notBefore" bigint, avoid jsonb, kept jsonb
      )
      where r.workload = x.workload and r.replica = x.replica and not exists (
        select 1 from attempts a where a.workload = r.workload and a.replica = r.replica
          and a.state in ('starting', 'running', 'stopping')
      ) returning r.replica
    `.execute(applying.on)
    applying.count += rows.length
    if (rows.length > 0) applying.nudges.add('admit')
  }
}

async function finish(applying: Applying, changes: Of<'replica-done'>[]): Promise<void> {
  if (changes.length === 0) return
  const { rows } = await sql<{ waited: boolean }>`
    update replicas r set state = 'done'
    from unnest(${changes.map(({ workload }) => workload)}::text[], ${changes.map(({ replica }) => replica)}::int[])
      as x (workload, replica) join replicas o using (workload, replica)
    where r.workload = x.workload and r.replica = x.replica and r.state <> 'done' returning o.state = 'waiting' as waited
  `.execute(applying.on)
  applying.count += rows.length
  if (rows.some(({ waited }) => waited)) applying.nudges.add('admit')
}

async function moveWorkloads(applying: Applying, changes: Of<'workload'>[]): Promise<void> {
  const { on, now } = applying
  for (const { to, group, from } of steps(changes, workloadMoves)) {
    const over = finalStates(workloadMoves).some((state) => state === to)
    const { rows } = await sql<Moved & { reason: string; left: number }>`
      with moved as (
        update workloads w set state = ${to}, reason = x.reason, exit_code = coalesce(x."exitCode", w.exit_code)
          ${to === 'running' ? sql`, started_at = coalesce(w.started_at, ${now}::bigint)` : sql``}
          ${over ? sql`, ended_at = ${now}::bigint, due_at = null, claimed_until = null, refusal = null` : sql``}
        from ${record(group)} where w.id = x.id and w.state = any(${from}::text[])
        returning w.id, w.name, w.id as workload, w.project, w.reason
      ) ${over ? sql`, gone as (${leaveQueue})` : sql``}
      select moved.*, ${over ? sql`(select count(*)::int from gone)` : sql`1`} as "left" from moved
    `.execute(on)
    applying.count += rows.length
    const left = rows[0]?.left ?? 0
    if (to === 'held') await keepNothing(on, rows)
    if (rows.length > 0) applying.nudges.add('agents')
    // Who starts or runs has left the queue already, and so have most who end.
    if (left > 0 && to !== 'starting' && to !== 'running') applying.nudges.add('admit')
    applying.events.push(...rows.map((row) => workloadEvent(to, row)))
  }
}

async function explain(applying: Applying, changes: Of<'reason'>[]): Promise<void> {
  for (const { id, reason } of changes) {
    const { rows } = await sql`
      update workloads set reason = ${reason} where id = ${id} and reason <> ${reason} and ended_at is null returning id
    `.execute(applying.on)
    applying.count += rows.length
    if (rows.length > 0) applying.nudges.add('events')
  }
}

/** Nothing of an ended workload waits, so that the queue holds only what may be placed. */
const leaveQueue = sql`
  update replicas r set state = 'done' from moved cross join lateral (
    select workload, replica from replicas where workload = moved.id and state = 'waiting' offset 0 -- many more wait
  ) its where r.workload = its.workload and r.replica = its.replica returning r.workload
`

/** Who is held back has no claim to the nodes that it had. */
async function keepNothing(on: Executor, held: { id: string }[]): Promise<void> {
  await sql`
    update replicas set kept = null where workload = any(${held.map(({ id }) => id)}::text[]) and kept is not null
  `.execute(on)
}

async function warn({ on, now, events }: Applying, changes: Of<'warn'>[]): Promise<void> {
  for (const { event } of changes)
    if (await warnOnce(on, { kind: 'workload', name: event.workload, now })) events.push(event)
}

async function lookAgain(applying: Applying, changes: Of<'look-again'>[]): Promise<void> {
  for (const round of rounds(changes, ({ id }) => id)) {
    // News that came while the decision was made has set an earlier time, and that one stays.
    // So does the claim of whoever has those news to decide about.
    const claims = round.map(({ claim }) => claim ?? null)
    const { rows } = await sql<{ due: number }>`
      update workloads w set due_at = case when w.due_at = x.claim and w.claimed_until = x.claim then x.at else least(w.due_at, x.at) end
      from unnest(${round.map(({ id }) => id)}::text[], ${round.map(({ at }) => at)}::bigint[], ${claims}::bigint[])
        as x (id, at, claim)
      where w.id = x.id and w.ended_at is null returning w.due_at as due
    `.execute(applying.on)
    applying.count += rows.length
    if (rows.some(({ due }) => due <= applying.now)) applying.nudges.add('follow')
  }
}
