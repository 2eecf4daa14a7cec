import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client } from 'pg'

import { type Clock, createClock } from '#kit/clock.ts'
import { createIds, type Ids } from '#kit/ids.ts'
import { type Embedded, startAt } from '#store/embedded/embedded.ts'
import { placeAt } from '#store/embedded/place.ts'
import { openDatabase } from '#store/database.ts'
import { migrate, shippedMigrations } from '#store/migrate.ts'
import { openStore } from '#store/open.ts'
import type { Store } from '#store/store.ts'

/**
 * A throwaway PostgreSQL for the tests of one process: started by the first that asks, ended with the process however
 * that ends. It does not wait for the disk unless it is to be `durable`; all else is as in production.
 */
export function withPostgres({ durable = false } = {}): Promise<Embedded> {
  return (server ??= start(durable))
}
let server: Promise<Embedded> | undefined

async function start(durable: boolean): Promise<Embedded> {
  const folder = mkdtempSync(join(tmpdir(), 'isobar-test-'))
  chmodSync(folder, 0o755) // PostgreSQL's own account must pass when we are root
  const settings = { max_connections: '200', ...(durable ? {} : { fsync: 'off' }) }
  const embedded = await startAt(placeAt(join(folder, 'pg')), { settings })
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
 * The address of an empty database of its own. ISOBAR_TEST_POSTGRES is the address of a server to have it on, to test
 * against another version; such databases stay there.
 */
export async function aDatabase(): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const other = process.env['ISOBAR_TEST_POSTGRES']
  if (!other) return (await withPostgres()).database(name)
  const client = new Client({ connectionString: other })
  await client.connect()
  await client.query(`create database ${name}`).finally(() => client.end())
  return other.replace(/\/\w*(\?|$)/, `/${name}$1`)
}

export const someIds: Ids = createIds(Date.now, randomBytes)

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
  const url = options.url ?? (await aDatabase())
  const store = await openStore({ url, ids: someIds, clock: options.clock ?? createClock(), size: 5 })
  return { ...store, url, [Symbol.asyncDispose]: () => store.close() }
}
