import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { sql } from 'kysely'

import type { Database, Executor } from './database.ts'
import { plannedAnew } from './dialect.ts'
import { nudge } from './queries/nudge.ts'
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

/** The steps of a program, and its version where it tells. */
export type Program = { migrations: Migration[]; version: string | null }

export const thisProgram = (version: string | null = null): Program => ({ migrations: shippedMigrations(), version })

/**
 * Brings the schema up to date: what is missing, in order, all of it or nothing. Several programs may try at once; one
 * does it. Refuses a schema that is newer than this program, and steps that were edited after they ran. Programs that run
 * on the older schema lose all claims with it, get no more, and hear that they have to end.
 */
export async function migrate(database: Database, program = thisProgram()): Promise<string[]> {
  const { migrations, version } = program
  return database.write(async (on) => {
    // A step over many rows takes its time, and is planned for them.
    await sql.raw(`set local statement_timeout = 0; ${plannedAnew}`).execute(on)
    await sql`select pg_advisory_xact_lock(${lock}::bigint)`.execute(on)
    await sql`create table if not exists migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now(), version text
    )`.execute(on)
    if (!(await tellsVersions(on))) await sql`alter table migrations add column version text`.execute(on)
    const done = await applied(on)
    refuseStrangers(done, program)
    const names = new Set(done.map(({ name }) => name))
    const missing = migrations.filter(({ name }) => !names.has(name))
    for (const { name, checksum, text } of missing) {
      await sql.raw(text).execute(on)
      await sql`insert into migrations (name, checksum, version) values (${name}, ${checksum}, ${version})`.execute(on)
    }
    if (done.length > 0 && missing.length > 0) await fenceOlder(on)
    return missing.map(({ name }) => name)
  })
}

/** Fails where the database was brought up to date by a newer program since this one opened it. */
export const refuseNewer = (database: Database, program: Program): Promise<void> =>
  database.read(async (on) => refuseStrangers(await applied(on), program))

/** What is written under a claim is refused from now on to whoever took it before. */
async function fenceOlder(on: Executor): Promise<void> {
  const { rows } = await sql<{ there: boolean }>`select to_regclass('claims') is not null as there`.execute(on)
  if (!rows[0]?.there) return
  await sql`update claims set epoch = epoch + 1, holder = '', expires_at = clock_timestamp()`.execute(on)
  await nudge(on, ['schema'])
}

async function tellsVersions(on: Executor): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_attribute where attrelid = 'migrations'::regclass and attname = 'version' and not attisdropped
  `.execute(on)
  return rows.length > 0
}

type Applied = { name: string; checksum: string; version: string | null }

async function applied(on: Executor): Promise<Applied[]> {
  const { rows } = await sql<Applied>`select name, checksum, version from migrations order by name`.execute(on)
  return rows
}

function refuseStrangers(done: readonly Applied[], { migrations, version }: Program): void {
  const known = new Map(migrations.map(({ name, checksum }) => [name, checksum]))
  const newest = done.findLast(({ name }) => !known.has(name))
  if (newest) {
    const its = newest.version ? `Isobar ${newest.version}` : 'a newer Isobar'
    const own = version ? `Isobar ${version}` : 'an older one'
    throw new StoreProblem(
      `The database was brought up to date by ${its}: its schema is ${newest.name}, and this is ${own}, which knows it up to ${migrations.at(-1)?.name ?? 'nothing'}.\n` +
        `Start ${newest.version ? `Isobar ${newest.version}` : 'that version'} or a later one here.`,
    )
  }
  const edited = done.filter(({ name, checksum }) => known.get(name) !== checksum).map(({ name }) => name)
  if (edited.length > 0)
    throw new StoreProblem(
      `The database was set up by another text of ${edited.join(', ')} than this program has, so the two do not fit.\n` +
        'Use the version that made it, or start afresh: isobar db backup <file>, then another ISOBAR_HOME, then isobar db restore <file>',
    )
}
