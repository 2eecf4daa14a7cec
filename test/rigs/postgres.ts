import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client } from 'pg'

import { type Clock, createClock } from '#kit/clock.ts'
import { createIds, type Ids, pooled } from '#kit/ids.ts'
import { type Embedded, startAt } from '#store/embedded/embedded.ts'
import { type Place, placeAt } from '#store/embedded/place.ts'
import { openDatabase } from '#store/database.ts'
import { migrate, shippedMigrations } from '#store/migrate.ts'
import { openStore } from '#store/open.ts'
import type { Store } from '#store/store.ts'

/**
 * A throwaway PostgreSQL for the tests of one process: started by the first that asks, ended with the process however
 * that ends. It does not wait for the disk unless it is to be `durable`; all else is as in production.
 */
export function withPostgres({ durable = false } = {}): Promise<Embedded> {
  return (server ??= start(durable ? tmpdir() : besideModel(), durable))
}
let server: Promise<Embedded> | undefined

/** Data of a server that has ended, to begin with: to make them takes longer than most tests. */
const model = process.env['ISOBAR_TEST_MODEL']

/**
 * What the test runner does first: makes data that have the schema of this program already, for all files of a run. What
 * begins with them does not wait for the disk unless it says so.
 */
export async function globalSetup(): Promise<void> {
  if (process.env['ISOBAR_TEST_POSTGRES'] !== undefined) return
  const embedded = await (server ??= start(inMemory()))
  const { rows } = await ask(embedded.url, (client) =>
    client.query<{ data: string }>("select current_setting('data_directory') as data"),
  )
  const data = rows[0]?.data ?? ''
  const schemaName = await aSchema()
  // A house of its own finds its database there, and in it the schema.
  await ask(addressOf(embedded.url, 'postgres'), async (client) => {
    await client.query('drop database isobar')
    await client.query(`create database isobar template ${schemaName}`)
    await client.query('checkpoint') // or each that begins with a copy copies what this one has logged
  })
  await embedded.stop()
  appendFileSync(join(data, 'postgresql.conf'), 'fsync = off\n')
  process.env['ISOBAR_TEST_MODEL'] = data
}

async function start(parent: string, durable = false): Promise<Embedded> {
  const folder = aDataFolder('isobar-test-', parent)
  const settings = { max_connections: '200', fsync: durable ? 'on' : 'off' }
  const place = placeAt(join(folder, 'pg'))
  beginAsOthers(place)
  const embedded = await startAt(place, { settings })
  endWithUs(folder)
  process.once('exit', () => {
    // Nothing can be awaited any more; its data goes with it, so it need not be saved.
    embedded.leave()
    const pid = embedded.pid()
    if (pid) process.kill(pid, 'SIGQUIT')
    for (let i = 0; i < 300 && embedded.pid() > 0; i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 })
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  return embedded
}

/** A new folder for places of PostgreSQL. */
export function aDataFolder(prefix: string, parent = besideModel()): string {
  const folder = mkdtempSync(join(parent, prefix))
  chmodSync(folder, 0o755) // PostgreSQL's own account must pass when we are root
  return folder
}

/** Gives a place the data that the test runner has made, if it has. */
export function beginAsOthers({ data }: Place): void {
  // With its owner: PostgreSQL starts on nothing that is another's.
  if (model !== undefined) execFileSync('cp', ['-Rp', model, data])
}

/** Where the model is there is room for what tests write; what benchmarks write may be too much for that. */
const besideModel = (): string => (model === undefined ? tmpdir() : join(model, '..', '..', '..'))

/** A folder of files that never reach a disk, where the system has one with room enough. */
function inMemory(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 4 * 1024 ** 3 ? '/dev/shm' : tmpdir()
  } catch {
    return tmpdir()
  }
}

/** Reads until the pipe from us breaks, which a SIGKILL does as well; then it ends the server and removes the folder. */
const watchdog = `
read -r _
for i in 1 2 3 4 5 6 7 8 9 10; do
  kill -QUIT "$(head -n 1 "$0/pg/data/postmaster.pid")" && sleep 1 || break
done
rm -rf "$0"
`

function endWithUs(folder: string): void {
  const child = spawn('sh', ['-c', watchdog, folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.unref()
  if (child.stdin instanceof Socket) child.stdin.unref()
}

/**
 * The address of a database of its own, empty or as another is. ISOBAR_TEST_POSTGRES is the address of a server to have it
 * on, to test against another version; such databases stay there.
 */
export async function aDatabase(template = 'template1'): Promise<string> {
  const url = await serverUrl()
  const name = `test_${randomBytes(6).toString('hex')}`
  // Where nothing waits for the disk it costs less than half to copy files than to log what they hold.
  const how = model === undefined ? '' : 'strategy file_copy'
  await ask(url, (client) => client.query(`create database ${name} template ${template} ${how}`))
  return addressOf(url, name)
}

const serverUrl = async (): Promise<string> => process.env['ISOBAR_TEST_POSTGRES'] ?? (await withPostgres()).url

/** The name of a database with the schema of this program, which is made once on a server and copied from there. */
export function aSchema(): Promise<string> {
  return (schema ??= makeSchema())
}
let schema: Promise<string> | undefined

async function makeSchema(): Promise<string> {
  const sums = createHash('sha256').update(
    shippedMigrations()
      .map(({ checksum }) => checksum)
      .join(),
  )
  const name = `schema_${sums.digest('hex').slice(0, 16)}`
  const url = await serverUrl()
  await ask(url, async (client) => {
    await client.query('select pg_advisory_lock(7412)') // until the connection ends
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount) return
    await client.query(`drop database if exists ${name}_new with (force)`)
    await client.query(`create database ${name}_new`)
    const database = await openDatabase({ url: addressOf(url, `${name}_new`) })
    await migrate(database).finally(() => database.close())
    await client.query(`alter database ${name}_new rename to ${name}`)
  })
  return name
}

/** The same with the schema of this program in it, as whoever starts again finds it. */
export const aReadyDatabase = async (): Promise<string> => aDatabase(await aSchema())

const addressOf = (url: string, name: string): string => url.replace(/\/\w*(\?|$)/, `/${name}$1`)

async function ask<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString })
  client.on('error', () => {}) // the query that meets it fails, that is enough
  await client.connect()
  return work(client).finally(() => client.end())
}

export const someIds: Ids = createIds(Date.now, pooled(randomBytes))

/** Does to a database what a later version of Isobar might, 9.0.0. */
export async function bringUpToDate(url: string): Promise<void> {
  const database = await openDatabase({ url })
  const later = { name: '9999-later', text: 'create table later (x int)', checksum: 'later' }
  const program = { migrations: [...shippedMigrations(), later], version: '9.0.0' }
  await migrate(database, program).finally(() => database.close())
}

/** An open store on a fresh database, or on that of another with `url`; close it with `close` or `await using`. */
export async function aStore(
  options: { url?: string; clock?: Clock } = {},
): Promise<Store & AsyncDisposable & { url: string }> {
  const url = options.url ?? (await aReadyDatabase())
  const store = await openStore({ url, ids: someIds, clock: options.clock ?? createClock(), size: 5 })
  return { ...store, url, [Symbol.asyncDispose]: () => store.close() }
}
