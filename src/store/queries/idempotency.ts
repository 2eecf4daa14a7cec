import { sql } from 'kysely'

import type { Database } from '#store/database.ts'
import type { Idempotency } from '#store/idempotency.ts'

/** A request that was not answered within this time died with its control plane, and may be made again. */
export const answerWithinMs = 60_000

type Row = { hash: string; status: number | null; response: unknown; createdAt: number }

export const createIdempotency = (database: Database): Idempotency => ({
  begin: (key, requestHash, now) =>
    database.write(async (on) => {
      const { rows: begun } = await sql`
        insert into idempotency as i (key, request_hash, created_at) values (${key}, ${requestHash}, ${now}::bigint)
        on conflict (key) do update set created_at = excluded.created_at
        where i.request_hash = excluded.request_hash and i.status is null and i.created_at < ${now - answerWithinMs}::bigint
        returning key
      `.execute(on)
      if (begun.length > 0) return 'new'
      const { rows } = await sql<Row>`
        select request_hash as hash, status, response, created_at as "createdAt" from idempotency where key = ${key}
      `.execute(on)
      const [row] = rows
      if (!row) return 'running' // it was forgotten this instant; the next try begins
      if (row.hash !== requestHash) return 'mismatch'
      return row.status === null ? 'running' : { status: row.status, response: row.response }
    }),
  save: (key, status, response) =>
    database.write(async (on) => {
      await sql`
        update idempotency set status = ${status}, response = ${JSON.stringify(response ?? null)}::jsonb where key = ${key}
      `.execute(on)
    }),
  forget: (key) =>
    database.write(async (on) => {
      await sql`delete from idempotency where key = ${key}`.execute(on)
    }),
})
