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

/** What is not over yet, in a database that may be empty. */
export async function countLive(database: Database): Promise<{ workloads: number; leases: number }> {
  return database.read(async (on) => {
    const { rows } = await sql<{ there: boolean }>`select to_regclass('leases') is not null as there`.execute(on)
    if (!rows[0]?.there) return { workloads: 0, leases: 0 }
    const live = await sql<{ workloads: number; leases: number }>`
      select (select count(*) from workloads where ended_at is null) as workloads,
        (select count(*) from leases where state not in ('gone', 'refused')) as leases
    `.execute(on)
    return live.rows[0] ?? { workloads: 0, leases: 0 }
  })
}
