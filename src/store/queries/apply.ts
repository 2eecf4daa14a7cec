import { type RawBuilder, sql } from 'kysely'

import type { Ids } from '#kit/ids.ts'
import { attemptMoves } from '#model/attempt.ts'
import type { Change } from '#model/change.ts'
import type { NewEvent } from '#model/event.ts'
import { leaseMoves } from '#model/lease.ts'
import { finalStates, statesBefore } from '#model/moves.ts'
import { workloadMoves } from '#model/workload.ts'
import type { Executor } from '#store/database.ts'
import { together } from '#store/dialect.ts'
import type { Nudge } from '#store/store.ts'
import { tell } from './events.ts'
import { of, type Of, rounds, steps } from './in-steps.ts'
import { warnOnce } from './ledger.ts'
import { attemptEvent, closedDetail, lostEvent, retiredDetail, workloadEvent } from './told.ts'

/** What the changes of one transaction have in common. */
type Applying = {
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
  const applying: Applying = { now, ids, nudges: new Set(), gone: [], events: [], count: 0 }
  // None of them waits for what another one returns.
  const all: Step[] = [
    lockWorkloads(changes),
    ...moveLeases(applying, of(changes, 'lease')),
    ...retireLeases(applying, of(changes, 'retire')),
    ...moveAttempts(applying, of(changes, 'attempt')),
    ...markReady(applying, of(changes, 'attempt-ready')),
    ...releaseTasks(applying, of(changes, 'release-tasks')),
    ...requeue(applying, of(changes, 'replica-waits')),
    ...finish(applying, of(changes, 'replica-done')),
    ...moveWorkloads(applying, of(changes, 'workload')),
    ...explain(applying, of(changes, 'reason')),
    ...lookAgain(applying, of(changes, 'look-again')),
  ]
  const answers = await together(
    on,
    all.map(({ statement }) => statement),
  )
  all.forEach(({ hear }, i) => hear(answers[i] ?? []))
  for (const { event } of of(changes, 'warn'))
    if (await warnOnce(on, { kind: 'workload', name: event.workload, now })) applying.events.push(event)
  applying.events.push(...of(changes, 'event').map(({ event }) => event))
  if (applying.events.length > 0) applying.nudges.add('events')
  await tell(on, { events: applying.events, now, nudges: applying.nudges, news: applying })
  return applying.count + of(changes, 'event').length
}

/** A statement, and what follows of the rows that it returns. */
type Step = { statement: RawBuilder<unknown>; hear(rows: unknown[]): void }

const step = <R>(statement: RawBuilder<R>, hear: (rows: R[]) => void = () => {}): Step => ({
  statement,
  hear: (rows) => hear(rows as R[]), // they are its own
})

/** All that write about workloads lock them first and in one order, so that they wait for each other instead of colliding. */
function lockWorkloads(changes: Change[]): Step {
  const workloads = changes.flatMap((change) => {
    if (change.change === 'workload' || change.change === 'reason' || change.change === 'look-again') return [change.id]
    return 'workload' in change ? [change.workload] : []
  })
  const attempts = [...of(changes, 'attempt'), ...of(changes, 'attempt-ready')].map(({ id }) => id)
  const leases = [...of(changes, 'lease').map(({ id }) => id), ...of(changes, 'retire').map(({ lease }) => lease)]
  return step(sql`
    select id from workloads where id = any(
      ${workloads}::text[]
      || array(select workload from attempts where id = any(${attempts}::text[]))
      || array(select workload from leases where id = any(${leases}::text[]))
    ) order by id for no key update
  `)
}

type Moved = { id: string; name: string; workload: string; project: string }

const record = (changes: { id: string; reason?: string; exitCode?: number }[]): RawBuilder<unknown> =>
  sql`json_to_recordset(${JSON.stringify(changes)}::json) as x (id text, reason text, "exitCode" int)`

function* moveLeases(applying: Applying, changes: Of<'lease'>[]): Iterable<Step> {
  const { now } = applying
  for (const { to, group, from } of steps(changes, leaseMoves)) {
    const x = sql`json_to_recordset(${JSON.stringify(group)}::json) as x (id text, since bigint, "inLine" boolean)`
    const inLine = sql`coalesce(x."inLine", false)`
    const begun = sql`greatest(l.created_at, least(coalesce(x.since, ${now}::bigint), ${now}::bigint))`
    const billed = ['starting', 'held'].includes(to)
    const over = ['gone', 'lost', 'refused'].includes(to)
    const [named, itsNames] =
      to === 'lost'
        ? [
            sql`join workloads w on w.id = m.workload`,
            sql`, w.name, l.workload, l.project, l.provider || '/' || l.site as site`,
          ]
        : [sql``, sql``]
    // One that was lost and is seen again never ended: its time since then is billed as well.
    const moved = sql<Moved & { site: string; wasLost: boolean }>`
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
        from ${x} join leases m on m.id = x.id ${named}
        where l.id = m.id and l.state = any(${from}::text[])
        returning l.id, m.state = 'lost' as "wasLost" ${itsNames}
      ) ${to === 'held' || to === 'gone' ? sql`, closed as (${closeLaunches(to)})` : sql``}
      select * from moved
    `
    yield step(moved, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('agents')
      // What was lost and is seen again holds capacity that nobody decided on.
      if ((to === 'lost' && rows.length > 0) || rows.some(({ wasLost }) => wasLost)) applying.nudges.add('admit')
      else if (over) applying.gone.push(...rows.map(({ id }) => id))
      if (to === 'lost') applying.events.push(...rows.map(lostEvent))
    })
    // One that its provider took while it was being stopped is billed all the same, until nothing is left of it.
    if (to === 'starting')
      yield step(sql`
        update leases l set started_at = ${begun}, metered_until = ${begun} from ${x}
        where l.id = x.id and l.state = 'stopping' and l.started_at is null and not ${inLine}
      `)
  }
}

/** What was seen up has been launched, and what is gone never will be, though whoever asked for it died before the answer. */
const closeLaunches = (to: 'held' | 'gone') => sql`
  update operations o set state = ${to === 'held' ? 'done' : 'failed'}, detail = ${closedDetail(to)}
  from moved cross join lateral (
    select id, state from operations where lease = moved.id and kind = 'launch' offset 0 -- by its key: many more are open
  ) its where o.id = its.id and its.state = 'intended'
`

function* retireLeases(applying: Applying, changes: Of<'retire'>[]): Iterable<Step> {
  if (changes.length === 0) return
  const { now, ids } = applying
  const [once = []] = rounds(changes, ({ lease }) => lease)
  const wanted = once.map(({ lease, site }) => ({ id: ids('o'), lease, site }))
  const leases = once.map(({ lease }) => lease)
  const retired = sql`
    insert into operations (id, lease, kind, site, token, not_before)
    select x.id, x.lease, 'retire', x.site, x.lease, ${now}::bigint
    from json_to_recordset(${JSON.stringify(wanted)}::json) as x (id text, lease text, site text)
    join leases l on l.id = x.lease and l.state not in ('gone', 'refused')
    on conflict (lease, kind) do update set state = 'intended', not_before = excluded.not_before
    where operations.state = 'failed' returning id
  `
  yield step(retired, (rows) => {
    applying.count += rows.length
    applying.nudges.add('retire').add('agents')
  })
  // A lost lease stays lost until the provider shows that nothing of it is left.
  yield step(sql`
    update leases set state = 'stopping'
    where id = any(${leases}::text[]) and state = any(${statesBefore(leaseMoves, 'stopping')}::text[]) and state <> 'lost'
  `)
  // A launch that nobody is at now must not run any more.
  yield step(sql`
    update operations set state = 'failed', detail = ${retiredDetail}
    where lease = any(${leases}::text[]) and kind = 'launch' and state = 'intended'
      and (claimed_until is null or claimed_until < clock_timestamp())
  `)
}

function* moveAttempts(applying: Applying, changes: Of<'attempt'>[]): Iterable<Step> {
  const { now } = applying
  for (const { to, group, from } of steps(changes, attemptMoves)) {
    const over = finalStates(attemptMoves).some((state) => state === to)
    const moved = sql<Moved & { number: number; reason: string }>`
      with moved as (
        update attempts a set state = ${to}, reason = x.reason, exit_code = coalesce(x."exitCode", a.exit_code)
          ${to === 'running' ? sql`, started_at = coalesce(a.started_at, ${now}::bigint)` : sql``}
          ${over ? sql`, ended_at = ${now}::bigint, ready = false` : sql``}
        from ${record(group)}, workloads w where a.id = x.id and w.id = a.workload and a.state = any(${from}::text[])
        returning a.id, w.name, a.workload, w.project, a.number, a.reason, a.started_at
      ) ${to === 'running' ? sql`, known as (${noteKnownEnds})` : sql``}
      select id, name, workload, project, number, reason from moved
    `
    yield step(moved, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('agents')
      applying.events.push(...rows.map((row) => attemptEvent(to, row)))
    })
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

function* markReady(applying: Applying, changes: Of<'attempt-ready'>[]): Iterable<Step> {
  for (const round of rounds(changes, ({ id }) => id)) {
    const marked = sql`
      update attempts a set ready = x.ready
      from unnest(${round.map(({ id }) => id)}::text[], ${round.map(({ ready }) => ready)}::bool[]) as x (id, ready)
      where a.id = x.id and a.ready <> x.ready and a.ended_at is null returning a.id
    `
    yield step(marked, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('events')
    })
  }
}

function* releaseTasks(applying: Applying, changes: Of<'release-tasks'>[]): Iterable<Step> {
  for (const { workload, attempt } of changes) {
    const released = sql<{ count: number }>`
      with released as (
        update tasks set state = 'waiting', attempt = null
        where workload = ${workload} and attempt = ${attempt} and state = 'leased' returning index
      )
      update workloads set tasks_leased = tasks_leased - (select count(*) from released) where id = ${workload}
      returning (select count(*) from released) as count
    `
    yield step(released, ([row]) => {
      if (!row?.count) return
      applying.count += 1
      applying.nudges.add('agents')
    })
  }
}

/** While an attempt of a replica `r` lives, what was decided of it was decided on old facts: it was placed meanwhile. */
const nothingLives = sql`not exists (
  select 1 from attempts a where a.workload = r.workload and a.replica = r.replica and a.ended_at is null
)`

/** … and nothing of a workload `w` has an end while that lives. */
const nothingOfItLives = sql`not exists (select 1 from attempts a where a.workload = w.id and a.ended_at is null)`

function* requeue(applying: Applying, changes: Of<'replica-waits'>[]): Iterable<Step> {
  for (const round of rounds(changes, ({ workload, replica }) => `${workload} ${replica}`)) {
    const waits = sql`
      update replicas r set state = 'waiting', losses = x.losses, failures = x.failures,
        not_before = x."notBefore", avoid = x.avoid, kept = x.kept
      from json_to_recordset(${JSON.stringify(round)}::json) as x (
        workload text, replica int, losses int, failures int, "notBefore" bigint, avoid jsonb, kept jsonb
      )
      where r.workload = x.workload and r.replica = x.replica and ${nothingLives} returning r.replica
    `
    yield step(waits, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('admit')
    })
  }
}

function* finish(applying: Applying, changes: Of<'replica-done'>[]): Iterable<Step> {
  if (changes.length === 0) return
  const done = sql<{ waited: boolean }>`
    update replicas r set state = 'done'
    from unnest(${changes.map(({ workload }) => workload)}::text[], ${changes.map(({ replica }) => replica)}::int[])
      as x (workload, replica) join replicas o using (workload, replica)
    where r.workload = x.workload and r.replica = x.replica and r.state <> 'done' and ${nothingLives}
    returning o.state = 'waiting' as waited
  `
  yield step(done, (rows) => {
    applying.count += rows.length
    if (rows.some(({ waited }) => waited)) applying.nudges.add('admit')
  })
}

function* moveWorkloads(applying: Applying, changes: Of<'workload'>[]): Iterable<Step> {
  const { now } = applying
  for (const { to, group, from } of steps(changes, workloadMoves)) {
    const over = finalStates(workloadMoves).some((state) => state === to)
    const moved = sql<Moved & { reason: string; left: number }>`
      with moved as (
        update workloads w set state = ${to}, reason = x.reason, exit_code = coalesce(x."exitCode", w.exit_code)
          ${to === 'running' ? sql`, started_at = coalesce(w.started_at, ${now}::bigint)` : sql``}
          ${over ? sql`, ended_at = ${now}::bigint, due_at = null, claimed_until = null, refusal = null` : sql``}
        from ${record(group)} where w.id = x.id and w.state = any(${from}::text[]) ${over ? sql`and ${nothingOfItLives}` : sql``}
        returning w.id, w.name, w.id as workload, w.project, w.reason
      ) ${over ? sql`, gone as (${leaveQueue})` : sql``} ${to === 'held' ? sql`, kept as (${keepNothing})` : sql``}
      select moved.*, ${over ? sql`(select count(*)::int from gone)` : sql`1`} as "left" from moved
    `
    yield step(moved, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('agents')
      // Who starts or runs has left the queue already, and so have most who end.
      const left = rows[0]?.left ?? 0
      if (left > 0 && to !== 'starting' && to !== 'running') applying.nudges.add('admit')
      applying.events.push(...rows.map((row) => workloadEvent(to, row)))
    })
  }
}

function* explain(applying: Applying, changes: Of<'reason'>[]): Iterable<Step> {
  for (const { id, reason } of changes) {
    const explained = sql`
      update workloads set reason = ${reason} where id = ${id} and reason <> ${reason} and ended_at is null returning id
    `
    yield step(explained, (rows) => {
      applying.count += rows.length
      if (rows.length > 0) applying.nudges.add('events')
    })
  }
}

/** Nothing of an ended workload waits, so that the queue holds only what may be placed. */
const leaveQueue = sql`
  update replicas r set state = 'done' from moved cross join lateral (
    select workload, replica from replicas where workload = moved.id and state = 'waiting' offset 0 -- many more wait
  ) its where r.workload = its.workload and r.replica = its.replica returning r.workload
`

/** Who is held back has no claim to the nodes that it had. */
const keepNothing = sql`
  update replicas r set kept = null from moved where r.workload = moved.id and r.kept is not null
`

function* lookAgain(applying: Applying, changes: Of<'look-again'>[]): Iterable<Step> {
  for (const round of rounds(changes, ({ id }) => id)) {
    // News that came while the decision was made has set an earlier time, and that one stays.
    // So does the claim of whoever has those news to decide about.
    const claims = round.map(({ claim }) => claim ?? null)
    const due = sql<{ due: number }>`
      update workloads w set due_at = case when w.due_at = x.claim and w.claimed_until = x.claim then x.at else least(w.due_at, x.at) end
      from unnest(${round.map(({ id }) => id)}::text[], ${round.map(({ at }) => at)}::bigint[], ${claims}::bigint[])
        as x (id, at, claim)
      where w.id = x.id and w.ended_at is null returning w.due_at as due
    `
    yield step(due, (rows) => {
      applying.count += rows.length
      if (rows.some(({ due: at }) => at <= applying.now)) applying.nudges.add('follow')
    })
  }
}
