import { sql } from 'kysely'

import type { Executor } from '#store/database.ts'

const dayMs = 86_400_000

/** How long and how many are kept. Entries, workloads and their attempts stay. */
export const kept = { answersMs: dayMs, eventsMs: 30 * dayMs, events: 1_000_000, plansMs: 7 * dayMs }

/** Drops what is kept for a time only, a bounded number of rows at a time; call it now and then. */
export async function prune(on: Executor, now: number): Promise<void> {
  await sql`delete from idempotency where created_at < ${now - kept.answersMs}::bigint`.execute(on)
  await sql`
    delete from plans where workload is null and coalesce(expires_at, created_at) < ${now - kept.plansMs}::bigint
  `.execute(on)
  await sql`
    delete from events where seq in (select seq from events where at < ${now - kept.eventsMs}::bigint limit 50000)
  `.execute(on)
  // Positions are dense but for aborted transactions, so the newest one minus the bound leaves at most that many.
  await sql`
    delete from events where seq in (
      select seq from events where seq <= (select max(seq) from events) - ${kept.events} order by seq limit 50000
    )
  `.execute(on)
}
