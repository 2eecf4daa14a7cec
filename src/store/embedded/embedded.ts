import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

import { Client, escapeIdentifier } from 'pg'

import { runAs } from './account.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { type Place, placeFor } from './place.ts'
import { explain, StoreProblem } from './store-problem.ts'

/** A private PostgreSQL, running. It outlives this process: the next control plane finds it by its place. */
export type Embedded = {
  url: string
  /** The same server, another database, made if it is not there. */
  database(name: string): Promise<string>
  /** Process id of the server now; it changes when it was restarted. */
  pid(): number
  /** Ends it: `fast` finishes what is being written, `immediate` leaves that to the next start. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Stops watching over it and leaves it running. */
  leave(): void
  /** Ends it and deletes its data: for demonstrations and tests, whose state directories are thrown away. */
  remove(): Promise<void>
}

export type EmbeddedOptions = {
  /** Settings beside ours; tests of throwaway databases only. */
  settings?: Record<string, string>
  /** Told when the server had died and was started again, or would not start. */
  log?: (message: string) => void
}

/** Fit for a laptop. Nothing here touches durability: fsync and synchronous_commit stay as PostgreSQL has them. */
const ours = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '60',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  // Nobody replicates from it, and short queries gain nothing from compilation.
  wal_level: 'minimal',
  max_wal_senders: '0',
  jit: 'off',
  // A burst fills an empty table within seconds, and plans made without statistics are poor ones.
  autovacuum_naptime: '20s',
  // What does not wait for the disk (claims, which run out by themselves) need not wake anybody for it at once.
  wal_writer_delay: '2s',
  // Its log is for its own troubles: no statement (which may hold what people sealed) and no line per checkpoint.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_autovacuum_min_duration: '-1',
} as const

const user = 'isobar'

/** Finds or starts the private PostgreSQL of a state directory, and starts it again whenever it dies. */
export const startEmbedded = (stateDirectory: string, options: EmbeddedOptions = {}): Promise<Embedded> =>
  startAt(placeFor(stateDirectory), options)

/** The same at a place of one's own choice. */
export async function startAt(place: Place, options: EmbeddedOptions = {}): Promise<Embedded> {
  const binaries = await prepare(place)
  await ensureRunning(place, binaries, options)
  const database = (name: string) => createDatabase(place, name)
  const url = await database('isobar')
  const watch = watchOver(place, () => ensureRunning(place, binaries, options), options)
  return {
    url,
    database,
    pid: () => postmaster(place) ?? 0,
    leave: () => void watch.end(),
    async stop(mode = 'fast') {
      await watch.end()
      await stopAt(place, mode)
    },
    async remove() {
      await watch.end()
      await stopAt(place, 'immediate')
      for (const folder of [place.home, place.socket]) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Makes the data directory if there is none yet, whole or not at all, and finds the programs that fit it. */
async function prepare(place: Place): Promise<Binaries> {
  const version = join(place.data, 'PG_VERSION')
  if (existsSync(version)) {
    return findBinaries({ ...place, major: Number(readFileSync(version, 'utf8').trim()) })
  }
  if (existsSync(place.data))
    throw new StoreProblem(
      `${place.data} is taken: it is there but holds no database.\nMove it away and try again: mv ${place.data} ${place.data}.aside`,
    )
  const binaries = await findBinaries(place)
  const fresh = `${place.data}.${randomBytes(4).toString('hex')}`
  const how = ['-D', fresh, '-U', user, '--auth=trust', '--encoding=UTF8', '--locale=C']
  try {
    await promisify(execFile)(binaries.initdb, how, runAs(place.account))
    renameSync(fresh, place.data)
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    if (existsSync(version)) return binaries // another process was first
    throw explain(error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error), place.home)
  }
  return binaries
}

/** Returns once it answers. Several processes may try at once: PostgreSQL's own lock lets one through, all find it. */
async function ensureRunning(place: Place, binaries: Binaries, options: EmbeddedOptions): Promise<void> {
  const deadline = Date.now() + 60_000
  let server: Attempt | null = null
  for (let wait = 10; ; wait = Math.min(200, wait * 2)) {
    if (await answers(place)) return
    const said = server?.ended ? server.said() : ''
    // After a kill -9 the children need a moment to notice; another process may hold the lock and be starting it.
    const passing =
      /pre-existing shared memory|lock file .* (already exists|is empty)|is another (postmaster|server)/i.test(said)
    if ((said && !passing) || Date.now() > deadline) throw explain(said || server?.said() || 'no answer', place.home)
    if (!server || (server.ended && !alive(postmaster(place)))) server = launch(place, binaries, options)
    await pause(wait)
  }
}

type Attempt = { ended: boolean; said(): string }

/** Starts the server as a process of its own that outlives us. */
function launch(place: Place, binaries: Binaries, options: EmbeddedOptions): Attempt {
  const last = postmaster(place)
  if (last && isZombie(last)) rmSync(join(place.data, 'postmaster.pid'), { force: true })
  const settings = Object.entries({ ...ours, ...options.settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  // We may be root in a folder of somebody less trusted: never write through a link.
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants
  const log = openSync(place.log, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600)
  if (fstatSync(log).size > 1_000_000) ftruncateSync(log)
  const before = fstatSync(log).size
  const attempt: Attempt = {
    ended: false,
    said: () => readFileSync(place.log).subarray(before).toString() || 'no word',
  }
  const child = spawn(binaries.postgres, ['-D', place.data, '-k', place.socket, ...settings], {
    ...runAs(place.account),
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.once('exit', () => (attempt.ended = true))
  child.once('error', () => (attempt.ended = true))
  child.unref()
  return attempt
}

/** Looks a few times a second whether the server lives, and starts it again when it does not. */
function watchOver(place: Place, restart: () => Promise<void>, { log }: EmbeddedOptions) {
  const ended = new AbortController()
  const turn = async (): Promise<void> => {
    if (alive(postmaster(place))) return
    await restart()
    log?.('PostgreSQL had died and was started again')
  }
  const watch = async (): Promise<void> => {
    for (let failures = 0; !ended.signal.aborted;) {
      await turn().then(
        () => (failures = 0),
        (error: unknown) => {
          failures += 1
          log?.(error instanceof Error ? error.message : String(error))
        },
      )
      const wait = Math.min(5000, 200 * 2 ** failures)
      await pause(wait, undefined, { signal: ended.signal, ref: false }).catch(() => {}) // ended
    }
  }
  const watching = watch()
  return {
    async end(): Promise<void> {
      ended.abort()
      await watching
    },
  }
}

async function stopAt(place: Place, mode: 'fast' | 'immediate'): Promise<void> {
  const pid = postmaster(place)
  if (!pid || !alive(pid)) return
  process.kill(pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  const hurry = Date.now() + 10_000
  for (let hurried = false; alive(pid); await pause(10)) {
    if (hurried || Date.now() < hurry) continue
    process.kill(pid, 'SIGQUIT')
    hurried = true
  }
}

/** Process id in the server's own lock file; null when it was stopped in order or never ran. */
function postmaster(place: Place): number | null {
  try {
    const [pid = ''] = readFileSync(join(place.data, 'postmaster.pid'), 'utf8').split('\n')
    return Number(pid) || null
  } catch {
    return null
  }
}

/** A zombie is dead; but PostgreSQL would take it for a living owner of its lock, where nobody reaps orphans. */
function alive(pid: number | null): boolean {
  if (!pid || isZombie(pid)) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false // gone, or a system without /proc
  }
}

const address = (place: Place, database: string): string =>
  `postgres://${user}@/${database}?host=${encodeURIComponent(place.socket)}`

async function answers(place: Place): Promise<boolean> {
  const client = new Client({ connectionString: address(place, 'postgres'), connectionTimeoutMillis: 2000 })
  client.on('error', () => {}) // it may be killed while we ask
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function createDatabase(place: Place, name: string): Promise<string> {
  const client = new Client({ connectionString: address(place, 'postgres') })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (!rowCount) await client.query(`create database ${escapeIdentifier(name)}`)
  } catch (error) {
    // Made by another process between the two: that is as good.
    if (!(error instanceof Error && 'code' in error && ['42P04', '23505'].includes(String(error.code)))) throw error
  } finally {
    await client.end()
  }
  return address(place, name)
}
