import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { sql } from 'kysely'

import type { Database, Executor } from './database.ts'
import { StoreProblem } from './embedded/store-problem.ts'

export type Migration = { name: string; checksum: string; text: string }

/** The steps that ship with this program, in order: forward only, and never edited once released. */
export function shippedMigrations(folder = join(import.meta.dirname, 'migrations')): Migration[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(folder, file), 'utf8')
      return { name: file.slice(0, -4), checksum: createHash('sha256').update(text).digest('hex'), text }
    })
}

/** Any number will do, as long as all programs of all versions lock the same one. */
const lock = 4_705_221_907

/**
 * Brings the schema up to date: what is missing, in order, all of it or nothing. Several programs may try at once; one
 * does it. Refuses a schema that is newer than this program, and steps that were edited after they ran.
 */
export async function migrate(database: Database, migrations = shippedMigrations()): Promise<string[]> {
  return database.write(async (on) => {
    await sql`set local statement_timeout = 0`.execute(on) // a step over many rows takes its time
    await sql`select pg_advisory_xact_lock(${lock}::bigint)`.execute(on)
    await sql`create table if not exists migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now()
    )`.execute(on)
    const done = await applied(on)
    refuseStrangers(done, migrations)
    const missing = migrations.filter(({ name }) => !done.has(name))
    for (const { name, checksum, text } of missing) {
      await sql.raw(text).execute(on)
      await sql`insert into migrations (name, checksum) values (${name}, ${checksum})`.execute(on)
    }
    return missing.map(({ name }) => name)
  })
}

async function applied(on: Executor): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; checksum: string }>`select name, checksum from migrations`.execute(on)
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}

function refuseStrangers(done: Map<string, string>, migrations: Migration[]): void {
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]))
  const newer = [...done.keys()].filter((name) => !known.has(name))
  if (newer.length > 0)
    throw new StoreProblem(
      `The database was made by a newer Isobar: this one does not know ${newer.join(', ')}.\nStart that version or a later one.`,
    )
  const edited = [...done].filter(([name, checksum]) => known.get(name) !== checksum).map(([name]) => name)
  if (edited.length > 0)
    throw new StoreProblem(
      `The database was set up by another text of ${edited.join(', ')} than this program has, so the two do not fit.\n` +
        'Use the version that made it, or start afresh: isobar db backup <file>, then another ISOBAR_HOME, then isobar db restore <file>',
    )
}
