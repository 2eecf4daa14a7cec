import { Client, escapeIdentifier } from 'pg'

import { openDatabase } from './database.ts'
import { StoreProblem } from './embedded/store-problem.ts'
import { migrate, shippedMigrations } from './migrate.ts'

/** Rows of each table that were copied. */
export type Copied = Record<string, number>

/** What a copy is made of: first which migrations the rows fit, then rows as JSON in PostgreSQL's own words. */
export type Part = { migrations: string[] } | { table: string; rows: string[] }

/** All that is remembered, parents first. Claims and control planes are of the moment and stay behind. */
export const tables = [
  'house',
  'projects',
  'workloads',
  'replicas',
  'plans',
  'attempts',
  'leases',
  'ranks',
  'operations',
  'tasks',
  'sites',
  'entries',
  'spent',
  'events',
  'secrets',
  'idempotency',
] as const

const known: ReadonlySet<string> = new Set(tables)

/** A connection without the limits of time that requests have. */
async function connected<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, application_name: 'isobar copy' })
  client.on('error', () => {}) // the query that runs fails, that is enough
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** All rows of one moment, some hundred at a time. */
export async function* readAll(url: string): AsyncGenerator<Part> {
  const client = new Client({ connectionString: url, application_name: 'isobar copy' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    const { rows: done } = await client.query<{ name: string }>('select name from migrations order by name')
    yield { migrations: done.map(({ name }) => name) }
    for (const table of tables) {
      await client.query(
        `declare copying no scroll cursor for select row_to_json(t)::text as row from ${escapeIdentifier(table)} t`,
      )
      for (;;) {
        const { rows } = await client.query<{ row: string }>('fetch 500 from copying')
        if (rows.length === 0) break
        yield { table, rows: rows.map(({ row }) => row) }
      }
      await client.query('close copying')
    }
  } finally {
    await client.end()
  }
}

/** Brings the schema up to date and makes sure that nothing is there to be overwritten. */
export async function empty(url: string): Promise<void> {
  const database = await openDatabase({ url, size: 1 })
  await migrate(database).finally(() => database.close())
  const taken = await connected(url, async (client) => {
    const found = tables.filter((table) => table !== 'house' && table !== 'projects')
    const { rows } = await client.query<{ name: string }>(
      found.map((table) => `select '${table}' as name where exists (select 1 from ${table})`).join(' union all '),
    )
    return rows.map(({ name }) => name)
  })
  if (taken.length > 0)
    throw new StoreProblem(
      `The database holds rows already (${taken.join(', ')}), and nothing is ever overwritten.\n` +
        'Give it an empty one: createdb isobar, or another state directory: ISOBAR_HOME=<directory>',
    )
}

/** Writes rows into a database made by `empty`: one transaction, committed only if every row that was sent is there. */
export const writeAll = (url: string, parts: AsyncIterable<Part>): Promise<Copied> =>
  connected(url, async (client) => {
    const counts: Copied = {}
    await client.query('begin')
    // What the migrations put there comes with the rows.
    await client.query('delete from projects')
    await client.query('delete from house')
    for await (const part of parts) {
      if ('migrations' in part) refuseOthers(part.migrations)
      else counts[part.table] = (counts[part.table] ?? 0) + (await insert(client, part))
    }
    await verify(client, counts)
    // Transaction numbers start anew here: what is told from now on belongs to the next generation.
    await client.query('update house set generation = generation + 1')
    await client.query(
      `select setval(pg_get_serial_sequence('events', 'seq'), (select coalesce(max(seq), 0) + 1 from events), false)`,
    )
    await client.query('commit')
    return counts
  })

function refuseOthers(migrations: string[]): void {
  const ours = shippedMigrations().map(({ name }) => name)
  if (migrations.join(' ') === ours.join(' ')) return
  throw new StoreProblem(
    `The rows fit the schema of ${migrations.at(-1) ?? 'nothing'}, and this Isobar has ${ours.at(-1) ?? 'nothing'}.\n` +
      'Restore with the version that made the backup, then start this one on the same database.',
  )
}

async function insert(client: Client, { table, rows }: { table: string; rows: string[] }): Promise<number> {
  if (!known.has(table))
    throw new StoreProblem(`There is no table ${table}.\nUse another backup: isobar db restore <file>`)
  const name = escapeIdentifier(table)
  const result = await client.query(
    `insert into ${name} select * from json_populate_recordset(null::${name}, $1::json)`,
    [`[${rows.join(',')}]`],
  )
  return result.rowCount ?? 0
}

async function verify(client: Client, counts: Copied): Promise<void> {
  for (const table of tables) {
    const { rows } = await client.query<{ count: string }>(`select count(*) from ${escapeIdentifier(table)}`)
    if (Number(rows[0]?.count) !== (counts[table] ?? 0))
      throw new StoreProblem(
        `${table} has ${rows[0]?.count} rows instead of ${counts[table] ?? 0}, so nothing was kept.\nTry again: isobar db status`,
      )
  }
}
