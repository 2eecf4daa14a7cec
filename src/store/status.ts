import { sql } from 'kysely'

import { tables } from './copy-rows.ts'
import type { Database } from './database.ts'

/** What `isobar db status` shows. */
export type StoreStatus = {
  /** Of PostgreSQL, as it calls itself. */
  version: string
  sizeBytes: number
  migrations: { name: string; appliedAt: Date }[]
  rows: Record<string, number>
  connections: number
}

export async function storeStatus(database: Database): Promise<StoreStatus> {
  return database.readAtOnce(async (on) => {
    const { rows } = await sql<Pick<StoreStatus, 'version' | 'sizeBytes' | 'connections'>>`
      select current_setting('server_version') as version, pg_database_size(current_database()) as "sizeBytes",
        (select count(*) from pg_stat_activity where datname = current_database()) as connections
    `.execute(on)
    const migrations = await sql<StoreStatus['migrations'][number]>`
      select name, applied_at as "appliedAt" from migrations order by name
    `.execute(on)
    const counts = await sql<{ table: string; count: number }>`
      ${sql.join(
        tables.map((table) => sql`select ${sql.lit(table)} as table, count(*) as count from ${sql.table(table)}`),
        sql` union all `,
      )}
    `.execute(on)
    const { version = '', sizeBytes = 0, connections = 0 } = rows[0] ?? {}
    const counted = Object.fromEntries(counts.rows.map(({ table, count }) => [table, count]))
    return { version, sizeBytes, connections, migrations: migrations.rows, rows: counted }
  })
}
