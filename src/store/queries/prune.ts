import { type RawBuilder, sql } from 'kysely'

import type { Executor } from '#store/database.ts'

const dayMs = 86_400_000

/** How long and how many are kept of what does not belong to a workload. Entries stay for ever. */
export const kept = { answersMs: dayMs, eventsMs: 30 * dayMs, events: 1_000_000, plansMs: 7 * dayMs }

/** Rows that one call deletes of each kind: short enough that nobody waits for it. */
export const batch = 20_000
/** Attempts take their ranks with them, which may be thousands. */
export const attemptBatch = 100

/** Deletes a batch of each kind of row that is kept for a time only. Says whether more is left. */
export async function prune(on: Executor, { now, endedMs }: { now: number; endedMs: number }): Promise<boolean> {
  const before = (age: number) => sql`${now - age}::bigint`
  const full = [
    await drop(on, 'idempotency', sql`where created_at < ${before(kept.answersMs)}`),
    // A plan may be applied for minutes, and is shown for days.
    await drop(on, 'plans', sql`where workload is null and created_at < ${before(kept.plansMs)}`),
    await drop(on, 'events', sql`where at < ${before(kept.eventsMs)}`),
    // Positions are dense but for aborted transactions, so the newest one minus the bound leaves at most that many.
    await drop(on, 'events', sql`where seq <= (select max(seq) from events) - ${kept.events}`),
    await drop(
      on,
      'tasks',
      sql`where workload in (select id from workloads where kind = 'array' and ended_at < ${before(endedMs)})`,
    ),
    await dropAttempts(on, before(endedMs)),
  ]
  return full.includes(true)
}

async function drop(on: Executor, table: string, which: RawBuilder<unknown>): Promise<boolean> {
  const name = sql.table(table)
  const { numAffectedRows = 0n } = await sql`
    delete from ${name} where ctid = any(array(select ctid from ${name} ${which} limit ${batch}))
  `.execute(on)
  return numAffectedRows === BigInt(batch)
}

/** Those of live workloads too, for a service may have had thousands. Not while anything of one is held, or to bill. */
async function dropAttempts(on: Executor, before: RawBuilder<unknown>): Promise<boolean> {
  const { rows } = await sql`
    with dropped as (
      delete from attempts where id in (
        select id from attempts a where a.ended_at < ${before} and not exists (
          select 1 from leases l
          where l.attempt = a.id and (l.state not in ('gone', 'refused') or l.metered_until < l.ended_at)
        ) order by a.ended_at limit ${attemptBatch}
      ) returning id, plan
    ), leased as (
      delete from leases where attempt in (select id from dropped) returning id
    ), ranked as (
      delete from ranks where lease in (select id from leased)
    ), ordered as (
      delete from operations where lease in (select id from leased)
    ), planned as (
      delete from plans where id in (select plan from dropped)
    )
    select id from dropped
  `.execute(on)
  return rows.length === attemptBatch
}

/** Workloads that ended before, of which nothing but the row is left. */
export async function expired(on: Executor, { before, most }: { before: number; most: number }): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from workloads w where w.ended_at < ${before}::bigint
      and not exists (select 1 from attempts a where a.workload = w.id)
      and not exists (select 1 from tasks t where t.workload = w.id)
    order by w.ended_at limit ${most}
  `.execute(on)
  return rows.map(({ id }) => id)
}

export async function forget(on: Executor, ids: string[]): Promise<void> {
  await sql`
    with forgotten as (
      delete from workloads where id = any(${ids}::text[]) and ended_at is not null returning id
    ), waited as (
      delete from replicas where workload in (select id from forgotten)
    )
    delete from plans where workload in (select id from forgotten)
  `.execute(on)
  await sql`delete from spent where kind = 'workload' and name = any(${ids}::text[])`.execute(on)
}
