import { setTimeout as pause } from 'node:timers/promises'

import { Kysely, sql, type Transaction } from 'kysely'
import { type CustomTypesConfig, Pool, types } from 'pg'

import { PreparingDialect } from './dialect.ts'
import { StoreProblem } from './embedded/store-problem.ts'
import { backendIsAtWork, breakOff } from './break-off.ts'
import { codeOf, isCollision, isConnectionFailure, StoreFull, StoreUnavailable } from './store-unavailable.ts'

/** What a query runs on: a pooled connection, or an open transaction. */
export type Executor = Kysely<unknown>

export type Database = {
  /** Runs queries that change nothing; tried again when the connection breaks. */
  read<T>(ask: (on: Executor) => Promise<T>): Promise<T>
  /** The same, and all of them see one moment. */
  readAtOnce<T>(ask: (on: Executor) => Promise<T>): Promise<T>
  /**
   * Runs one transaction; again from its start when the connection breaks or it collides with another, but never once
   * COMMIT was sent, for then it may have happened. `act` must do nothing that cannot be repeated.
   */
  write<T>(act: (on: Executor) => Promise<T>): Promise<T>
  /**
   * Runs one statement that is a transaction by itself, and again when the connection breaks, though it may have
   * happened: for claims, which run out by themselves. Loops that find nothing to do ask no more than this.
   */
  claim<T>(ask: (on: Executor) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export type DatabaseOptions = {
  url: string
  /** Connections at the most. */
  size?: number
  /** How long to wait for a database that restarts, until StoreUnavailable is thrown. */
  patienceMs?: number
  /** How long a query may go unanswered until its connection is taken for lost; longer than any statement may run. */
  silenceMs?: number
  /** After how long it is asked over another connection whether the server is at work on it. */
  askMs?: number
}

const longestStatementMs = 30_000

/**
 * PostgreSQL's int8 (ids of rows, milliseconds, prices below nine billion dollars) become numbers; numeric, which we use
 * for sums of money only, becomes bigint. All else is as pg has it.
 */
const parsers: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === 20) return Number
    if (oid === 1700) return BigInt
    return types.getTypeParser(oid, format)
  },
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, size = 10, patienceMs = 5000, silenceMs = longestStatementMs + 5000, askMs = 4000 } = options
  if (/^\w+:\/\/([^/@]*@)?[^/?]*,|[?&]host=[^&]*(,|%2C)/i.test(url)) throw new StoreProblem(severalHosts)
  const pool = new Pool({
    connectionString: url,
    max: size,
    types: parsers,
    // What is asked goes out at once, though what was asked before has no answer yet.
    pipeline: true,
    // Children of a server that was killed may keep its socket open for a moment: who connects then waits in vain.
    connectionTimeoutMillis: 2000,
    idleTimeoutMillis: 60_000,
    application_name: 'isobar',
    statement_timeout: longestStatementMs,
    // One that stands still in a transaction, as a process that is stopped does, must not hold up the others for long.
    idle_in_transaction_session_timeout: 10_000,
  })
  const silence = { mostMs: silenceMs, askMs, isAtWork: (pid: number) => backendIsAtWork(url, pid) }
  pool.on('connect', (client) => breakOff(client, silence))
  pool.on('error', () => {}) // an idle connection broke; the pool drops it, and the next query gets another
  pool.on('connect', (client) => client.on('error', () => {})) // one in use: its query fails, that is enough
  const database = over(new Kysely<unknown>({ dialect: new PreparingDialect(pool) }), patienceMs)
  try {
    await requireVersion(database)
  } catch (error) {
    await database.close()
    throw unopened(error)
  }
  return database
}

const severalHosts =
  'DATABASE_URL names several hosts, and one is dialled.\n' +
  'Name the one that always leads to the primary: that of a proxy, a floating address, or a managed service.'

/** Why a database cannot be used at all, with what helps; never its address, which may hold a password. */
function unopened(error: unknown): unknown {
  const why = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : ''
  const problem = (text: string, fix: string) => new StoreProblem(`${text} (${why}).\n${fix}`, { cause: error })
  if (error instanceof StoreUnavailable)
    return problem('The database does not answer', 'Start it, or correct the host and port in DATABASE_URL.')
  const code = codeOf(error)
  if (code.startsWith('28'))
    return problem('The database lets nobody in with this name', 'Correct user and password in DATABASE_URL.')
  if (code === '3D000')
    return problem('There is no such database', 'Make it with createdb, or correct its name in DATABASE_URL.')
  if (code === 'ERR_INVALID_URL')
    return problem(
      'DATABASE_URL is no address',
      'Write it as postgres://user@host:5432/name, and what is special in a password as %40.',
    )
  if (code === 'ENOTFOUND') return problem('The host of the database is not known', 'Correct the host in DATABASE_URL.')
  return error
}

function over(kysely: Executor, patienceMs: number): Database {
  const asked = <T>(ask: () => Promise<T>) => again({ ask, patienceMs, mayRepeat: () => true })
  return {
    read: (ask) => asked(() => ask(kysely)),
    claim: (ask) => asked(() => ask(kysely)),
    readAtOnce: (ask) =>
      asked(() => kysely.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(ask)),
    write(act) {
      let committing = false
      const whole = async (transaction: Transaction<unknown>) => {
        const result = await act(transaction)
        committing = true
        return result
      }
      const ask = () => {
        committing = false
        return kysely.transaction().execute(whole)
      }
      return again({ ask, patienceMs, mayRepeat: () => !committing })
    },
    close: () => kysely.destroy(),
  }
}

/** The same database, where each transaction is rolled back at its end: it answers as it would have, and nothing stays. */
export function rehearsed(database: Database): Database {
  async function write<T>(act: (on: Executor) => Promise<T>): Promise<T> {
    const answers: T[] = []
    const whole = database.write(async (on) => {
      answers[0] = await act(on)
      throw takenBack
    })
    await whole.catch((error: unknown) => {
      if (error !== takenBack) throw error
    })
    return answers[0] as T // it was taken back, so there is one
  }
  return { ...database, write, claim: write }
}

const takenBack = new Error('This transaction was a rehearsal.')

const diskFull = 'The disk of the database is full, and nothing more can be written.\nFree some space: isobar db status'

/** Of several that stand in each other's way one is let through each second (`deadlock_timeout`): so long that all get through. */
const collisionsMs = 20_000

async function again<T>(options: { ask: () => Promise<T>; patienceMs: number; mayRepeat: () => boolean }): Promise<T> {
  const begun = Date.now()
  for (let wait = 10; ; wait = Math.min(200, wait * 2)) {
    try {
      return await options.ask()
    } catch (error) {
      if (codeOf(error) === '53100') throw new StoreFull(diskFull, { cause: error })
      const connection = isConnectionFailure(error)
      if (!connection && !isCollision(error)) throw error
      if (!options.mayRepeat() || Date.now() > begun + (connection ? options.patienceMs : collisionsMs)) {
        if (!connection) throw error
        throw new StoreUnavailable('PostgreSQL does not answer. Try again in a moment.', { cause: error })
      }
      await pause(wait)
    }
  }
}

async function requireVersion(database: Database): Promise<void> {
  const { rows } = await database.read((on) =>
    sql<{ number: number; name: string }>`
      select current_setting('server_version_num')::int as number, current_setting('server_version') as name
    `.execute(on),
  )
  if ((rows[0]?.number ?? 0) < 150_000)
    throw new StoreProblem(
      `The database is PostgreSQL ${rows[0]?.name}, and Isobar needs 15 or newer.\n` +
        'Set DATABASE_URL to a newer server, or unset it to use the private one that Isobar starts itself.',
    )
}
