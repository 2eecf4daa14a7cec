import { type RawBuilder, sql } from 'kysely'

import type { Ids } from '#kit/ids.ts'
import type { NewEvent } from '#model/event.ts'
import type { Decision, Refusal } from '#model/plan.ts'
import { mayPreempt, type Project } from '#model/project.ts'
import type { Workload } from '#model/workload.ts'
import type { Database, Executor } from '#store/database.ts'
import { together } from '#store/dialect.ts'
import type { Behind, Claim, Next, Placed, Placement, QueueSnapshot } from '#store/store.ts'
import { holding } from './claims.ts'
import { workloadColumns } from './columns.ts'
import { toTell } from './events.ts'
import { dueWithNews } from './news-due.ts'
import { isOwed, owed } from './owed.ts'
import {
  asked,
  firstRefusals,
  isKnownAlone,
  mostToCome,
  nextOf,
  numbered,
  type PlacedRow,
  preempting,
  type Row,
  nobody,
  runningOf,
  someMore,
  type Taken,
  type Waiting,
} from './placing.ts'
import { preempt, readPreemptions } from './preempt.ts'
import { listProjects } from './projects.ts'
import { readBehind, readLeases, readQueue, readThese } from './queue.ts'
import { readRunning } from './running.ts'
import { listSites } from './sites.ts'
import { readSpot } from './spot.ts'
import { placedEvent, waitsEvent } from './told.ts'
import { readUsage } from './usage.ts'

export const createPlacement = (database: Database, ids: Ids, specs: Specs = new Map()): Placement => ({
  snapshot: (options) => database.readAtOnce((on) => snapshot(on, { ...options, specs })),
  come: (workloads, now) => database.readAtOnce((on) => come(on, { workloads, now, specs })),
  more: (behind, now) => database.readAtOnce((on) => more(on, { behind, now, specs })),
  nextAt: (now) =>
    database.read(async (on) => {
      const { rows } = await sql<{ at: number | null }>`
        select min(not_before) as at from replicas where state = 'waiting' and not_before > 0 and not_before > ${now}::bigint
      `.execute(on)
      return rows[0]?.at ?? null
    }),
  usage: ({ now, halfLifeMs }) => database.read((on) => readUsage(on, now, halfLifeMs)),
  commit: (...[claim, placed, refused, now]) =>
    database.write((on) => commit(on, { claim, placed, refused, now, ids })),
})

/** Specs of those that waited when it was last looked. None ever changes, and each is much to send and to read. */
type Specs = Map<string, Workload['spec']>
const mostSpecs = 4_000

type Asked = Parameters<Placement['snapshot']>[0] & { specs: Specs }

async function snapshot(
  on: Executor,
  {
    now,
    most,
    asleep = new Map(),
    after = '',
    unlessIdle,
    moves = false,
    few = 0,
    spot: always = false,
    running,
    specs,
  }: Asked,
): Promise<QueueSnapshot> {
  const back = running ? await readRunning(on, running) : []
  if (running && back.length === 0) return nobody()
  const { replicas, ...rest } = await readQueue(on, { now, most, asleep, after })
  if (unlessIdle && replicas.length === 0) return { ...nobody(), ...rest }
  const ids = [...new Set([...replicas, ...back].map(({ workload }) => workload))]
  const workloads = await readWorkloads(on, ids, specs)
  forget(specs, new Set(ids))
  const projects = await listProjects(on)
  const spot = await readSpot(on, { workloads, now, always })
  return {
    waiting: asked(replicas, workloads),
    ...rest,
    leases: await readLeases(on, { apart: ids, one: moves || projects.some(mayPreempt), few, moves, now }),
    projects,
    preemptions: await readPreemptions(on, now),
    spent: await spentOf(on, { projects, workloads, now }),
    missing: await missingSecrets(on, workloads),
    ...(spot && { spot }),
    ...(running && { running: runningOf(back, workloads) }),
    sites: await listSites(on),
  }
}

type Coming = { workloads: readonly string[]; now: number; specs: Specs }

async function come(on: Executor, { workloads: ids, now, specs }: Coming): Promise<QueueSnapshot['waiting'] | null> {
  const replicas = await readThese(on, { workloads: ids, most: mostToCome + 1, now })
  return replicas.length > mostToCome ? null : askedAlone(on, replicas, specs)
}

type Going = { behind: readonly Behind[]; now: number; specs: Specs }

async function more(on: Executor, { behind, now, specs }: Going): Promise<Next[] | null> {
  const next = nextOf(behind, await readBehind(on, { behind, most: someMore(behind.length) + 1, now }))
  const found = await askedAlone(
    on,
    next.flatMap((line) => line.next),
    specs,
  )
  if (!found) return null
  const lines = Map.groupBy(found, ({ need }) => need)
  return next.map(({ need, isAll }) => ({ need, asked: lines.get(need) ?? [], isAll }))
}

/** Null for those of whom more is to be known. */
async function askedAlone(on: Executor, replicas: Waiting, specs: Specs): Promise<QueueSnapshot['waiting'] | null> {
  const workloads = await readWorkloads(on, [...new Set(replicas.map(({ workload }) => workload))], specs)
  if (workloads.some(({ spec }) => !isKnownAlone(spec))) return null
  return asked(replicas, workloads)
}

async function readWorkloads(on: Executor, ids: string[], specs: Specs): Promise<Workload[]> {
  const { rows } = await sql<Workload & { spec: Workload['spec'] | null }>`
    select ${workloadColumns('w', { but: 'spec' })},
      case when w.id = any(${ids.filter((id) => !specs.has(id))}::text[]) then w.spec end as spec
    from workloads w where w.id = any(${ids}::text[])
  `.execute(on)
  const workloads = rows.flatMap((row): Workload[] => {
    const spec = row.spec ?? specs.get(row.id)
    return spec ? [{ ...row, spec }] : []
  })
  for (const { id, spec } of workloads) specs.set(id, spec)
  return workloads
}

/** All but those that are read now, and of these as many as may be kept. */
function forget(specs: Specs, read: ReadonlySet<string>): void {
  for (const id of specs.keys()) if (!read.has(id) || specs.size > mostSpecs) specs.delete(id)
}

/** A secret that was removed after the submit: to start without it would fail later, and cost. */
async function missingSecrets(on: Executor, workloads: Workload[]): Promise<Map<string, string>> {
  const naming = workloads.filter(({ spec }) => spec.secrets.length > 0)
  if (naming.length === 0) return new Map()
  const { rows } = await sql<{ project: string; name: string }>`
    select project, name from secrets where project = any(${naming.map(({ project }) => project)}::text[])
  `.execute(on)
  const there = new Set(rows.map(({ project, name }) => `${project} ${name}`))
  return new Map(
    naming.flatMap(({ id, project, spec }) => {
      const name = spec.secrets.find((one) => !there.has(`${project} ${one}`))
      return name === undefined ? [] : [[id, name] as const]
    }),
  )
}

type Budgeted = { projects: Project[]; workloads: Workload[]; now: number }

/** Of those that have a budget; with what the ledger does not have yet. */
async function spentOf(on: Executor, { projects, workloads, now }: Budgeted): Promise<Map<string, bigint>> {
  const limited = projects.filter(({ budgetMicros }) => budgetMicros !== null).map(({ name }) => name)
  const waiting = workloads.filter(({ spec }) => spec.budget !== undefined).map(({ id }) => id)
  if (limited.length + waiting.length === 0) return new Map()
  const isLimited = sql`any(${limited}::text[])`
  const isWaiting = sql`any(${waiting}::text[])`
  const { rows } = await sql<{ key: string; amount: bigint }>`
    select kind || '/' || name as key, sum(micros) as amount from (
      select kind, name, amount_micros as micros from spent
      where (kind = 'project' and name = ${isLimited}) or (kind = 'workload' and name = ${isWaiting})
      union all select 'project', l.project, ${owed(now)} from leases l where l.project = ${isLimited} and ${isOwed}
      union all select 'workload', l.workload, ${owed(now)} from leases l where l.workload = ${isWaiting} and ${isOwed}
    ) x group by kind, name
  `.execute(on)
  return new Map(rows.map(({ key, amount }) => [key, amount]))
}

type Commit = { claim: Claim; placed: Placed[]; refused: Decision[]; now: number; ids: Ids }
async function commit(on: Executor, { claim, placed: all, refused, now, ids }: Commit): Promise<number | null> {
  const placed = all.filter(({ decision }) => decision.placement !== null)
  const touched = [...all.map(({ decision }) => decision), ...refused].flatMap((one) => [
    one.workload,
    ...(one.preempts ?? []).map(({ workload }) => workload),
  ])
  const locking = sql`
    select id, name, project, attempts, ${mayBegin} as waits
    from workloads w where id = any(${touched}::text[]) order by id for no key update
  `
  const [held = [], rows = [], taken = []] = await together(on, [
    holding(claim),
    locking,
    ...(placed.length > 0 ? [taking(placed, claim)] : []),
  ])
  if (held.length === 0) return null
  const workloads = new Map((rows as Row[]).filter(({ waits }) => waits).map((row) => [row.id, row]))
  const vain = await preempt(on, preempting(refused, workloads), { now, ids })
  // Where nobody leaves any more, nothing is told of it: the next round knows who does.
  const stands = refused.filter(({ workload, preempts = [] }) => preempts.length === 0 || !vain.has(workload))
  const written = numbered(placed, taken as Taken[], workloads)
  await write(on, { written, refusals: firstRefusals(stands, workloads), refused, workloads, now })
  return written.length
}

const mayBegin = sql`(w.wants = 'run' and w.ended_at is null and w.state not in ('held', 'stopping'))`

/**
 * Takes the replicas that are placed out of the queue, but for those that no longer wait: somebody changed their mind since
 * the snapshot. Under locks on their workloads, and of none without the claim.
 */
const taking = (placed: Placed[], claim: Claim): RawBuilder<unknown> => sql`
  update replicas r set state = 'placed', told = false, promised = false, kept = null
  from unnest(
    ${placed.map(({ decision }) => decision.workload)}::text[], ${placed.map(({ decision }) => decision.replica)}::int[]
  ) as x (workload, replica) cross join lateral (
    select workload, replica, state from replicas where workload = x.workload and replica = x.replica offset 0 -- by its key: many more wait
  ) its cross join lateral (select from workloads w where w.id = x.workload and ${mayBegin} offset 0) w
  where r.workload = its.workload and r.replica = its.replica and its.state = 'waiting' and exists (${holding(claim)})
  returning r.workload, r.replica
`

type Writing = {
  written: PlacedRow[]
  refusals: Map<string, Refusal>
  refused: Decision[]
  workloads: Map<string, Row>
  now: number
}

/** Who is placed takes the refusal of its workload away, before others of it are told why they wait. */
async function write(on: Executor, { written, refusals, refused, workloads, now }: Writing): Promise<void> {
  const lets = refused.filter((one) => one.lets !== undefined)
  const told = (waits: NewEvent[]): RawBuilder<unknown>[] => {
    const events = [...written.map(placedEvent), ...waits]
    const nudges = [
      ...(lets.length > 0 ? (['admit'] as const) : []),
      ...(written.length > 0 ? (['launch', 'follow'] as const) : []),
      ...(events.length > 0 ? (['events'] as const) : []),
    ]
    return toTell({ events, now, nudges })
  }
  const places = written.length > 0 ? [inserting(written, now)] : []
  const frees = lets.length > 0 ? [lettingGo(lets)] : []
  if (refusals.size === 0) {
    await together(on, [...places, ...frees, ...told([])])
    return
  }
  const answers = await together(on, [...places, ...frees, refusing(refusals)])
  await together(on, told(waitsEvents(answers.at(-1) as { id: string }[], refusals, workloads)))
}

/** What was kept for these is kept no more. */
function lettingGo(lets: Decision[]): RawBuilder<unknown> {
  const rows = lets.map(({ workload, replica, lets: lease }) => ({ workload, replica, lease }))
  return sql`
    update replicas r set kept = null
    from json_to_recordset(${JSON.stringify(rows)}::json) as x (workload text, replica int, lease text)
    where r.workload = x.workload and r.replica = x.replica and r.kept ->> 'lease' = x.lease
  `
}

/** One statement, so that what is much to send is read once, and the rows do not wait for each other. */
function inserting(rows: PlacedRow[], now: number): RawBuilder<unknown> {
  const sent = JSON.stringify(rows.map(({ decision, ...row }) => ({ ...row, decisions: [decision] })))
  return sql`
    with x as materialized (
      select * from json_to_recordset(${sent}::json) as x (
        "attemptId" text, "leaseId" text, "operationId" text, "planId" text, "graceMs" int, workload text, replica int,
        project text, number int, provider text, site text, tier text, shape text, "priceMicros" bigint, ranks jsonb,
        beside jsonb, decisions json
      )
    ), planned as (
      insert into plans (id, workload, decisions, created_at) select "planId", workload, decisions, ${now}::bigint from x
    ), attempted as (
      insert into attempts (id, workload, replica, number, plan, created_at)
      select "attemptId", workload, replica, number, "planId", ${now}::bigint from x
    ), leased as (
      insert into leases (id, attempt, workload, project, provider, site, tier, shape, price_micros, ranks, beside, grace_ms, created_at)
      select "leaseId", "attemptId", workload, project, provider, site, tier, shape, "priceMicros", ranks, beside, "graceMs",
        ${now}::bigint
      from x
    ), ranked as (
      insert into ranks (lease, rank) select "leaseId", (r ->> 'rank')::int from x, jsonb_array_elements(ranks) r
    ), ordered as (
      insert into operations (id, lease, kind, site, token, not_before)
      select "operationId", "leaseId", 'launch', provider || '/' || site, "leaseId", ${now}::bigint from x
    )
    update workloads w set attempts = y.attempts, refusal = null, due_at = ${dueWithNews(now)},
      state = case when w.state = 'queued' then 'starting' else w.state end,
      reason = case when w.state = 'queued' then '' else w.reason end
    from (select workload, max(number) as attempts from x group by workload) y where w.id = y.workload
  `
}

/** Writes why these wait, and gives those whose text is another than before. */
function refusing(first: ReadonlyMap<string, Refusal>): RawBuilder<{ id: string }> {
  // Of a long queue most wait for the same: each text is sent once.
  const texts = [...Map.groupBy(first.keys(), (id) => JSON.stringify(first.get(id)))].map(([refusal, ids]) => ({
    ids,
    refusal,
  }))
  return sql<{ id: string }>`
    with x as (
      select w.id, x.refusal, (w.refusal ->> 'text') is distinct from (x.refusal ->> 'text') as news
      from (select ids, refusal::jsonb from json_to_recordset(${JSON.stringify(texts)}::json) as t (ids text[], refusal text)) x
      cross join unnest(x.ids) as y (id) join workloads w on w.id = y.id
    ), written as (
      update workloads w set refusal = x.refusal,
        reason = case when w.state = 'queued' then x.refusal ->> 'text' else w.reason end
      from x where w.id = x.id and w.refusal is distinct from x.refusal
    ), marked as (
      update replicas r set told = true, promised = z.promised from (
        select q.*, x.refusal ? 'start' as promised from x cross join lateral (
          select workload, replica from replicas where workload = x.id and state = 'waiting'
            and (not told or promised <> (x.refusal ? 'start')) offset 0 -- sought for each: many more wait
        ) q
      ) z where r.workload = z.workload and r.replica = z.replica
    )
    select id from x where news order by id
  `
}

const waitsEvents = (rows: { id: string }[], first: Map<string, Refusal>, workloads: Map<string, Row>): NewEvent[] =>
  rows.flatMap(({ id }) => {
    const refusal = first.get(id)
    const workload = workloads.get(id)
    return refusal && workload ? [waitsEvent(id, workload.project, refusal)] : []
  })
