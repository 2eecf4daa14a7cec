import { sql } from 'kysely'

import type { Executor } from '#store/database.ts'
import type { Nudge } from '#store/store.ts'

export const channel = 'isobar'

/** Tells all control planes, once this transaction commits, that these loops may find something. */
export async function nudge(on: Executor, loops: Iterable<Nudge>): Promise<void> {
  const names = [...new Set(loops)].sort().join(' ')
  if (names) await sql`select pg_notify(${channel}, ${names})`.execute(on)
}
