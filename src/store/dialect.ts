import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  type Kysely,
  PostgresDialect,
  PostgresDriver,
  type PostgresDialectConfig,
  type RawBuilder,
  type TransactionSettings,
} from 'kysely'
import type { Pool, PoolClient, QueryResult } from 'pg'

/**
 * How what writes is planned: once for a connection, and by way of an index. All that is written is found by its key, a few
 * rows or some hundred. What statistics would add is mostly wrong: a burst fills an empty table in seconds, and a plan that
 * reads it whole, of a foreign key even, is kept until somebody analyses it.
 */
const byKey = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_material: 'off',
}

const begin = ['begin', ...Object.entries(byKey).map(([name, value]) => `set local ${name} = ${value}`)].join('; ')

/** Within a transaction that writes: what follows is planned as PostgreSQL does by itself. For steps over whole tables. */
export const plannedAnew = Object.keys(byKey)
  .map((name) => `set local ${name} to default`)
  .join('; ')

/**
 * PostgreSQL, where a statement with parameters is parsed once for a connection, and what writes is planned once too: with
 * small transactions that was three quarters of the work.
 */
export class PreparingDialect extends PostgresDialect {
  readonly #config: PostgresDialectConfig

  constructor(pool: Pool) {
    const config = { pool: preparing(pool) }
    super(config)
    this.#config = config
  }

  override createDriver(): Driver {
    return new PreparingDriver(this.#config)
  }
}

/** A plan is made for tables as they are. It is kept for half as long as the connection is old, as they grow, and no longer than so. */
const oldestMs = 30_000

class PreparingDriver extends PostgresDriver {
  readonly #planned = new WeakMap<DatabaseConnection, { since: number; at: number }>()

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    if (this.#areOld(connection)) await connection.executeQuery(CompiledQuery.raw('discard plans'))
    if (settings.accessMode === 'read only') return super.beginTransaction(connection, settings)
    // Nobody waits for its answer: where it fails, so does what follows, for the connection or the transaction is broken.
    connection.executeQuery(CompiledQuery.raw(begin)).catch(() => {})
  }

  #areOld(connection: DatabaseConnection): boolean {
    const now = performance.now()
    const plans = this.#planned.get(connection)
    if (plans && now < plans.at + Math.min(oldestMs, (plans.at - plans.since) / 2 + 250)) return false
    this.#planned.set(connection, { since: plans?.since ?? now, at: now })
    return plans !== undefined
  }
}

/** Statements that are sent together. */
class Flight {
  readonly statements: readonly CompiledQuery[]

  constructor(statements: readonly CompiledQuery[]) {
    this.statements = statements
  }
}

/**
 * Within a transaction: sends all of these at once, and gives the rows of each. PostgreSQL runs them one after the other, but
 * nobody waits for an answer in between, which costs two changes between processes each time.
 */
export async function together(on: Kysely<unknown>, statements: readonly RawBuilder<unknown>[]): Promise<unknown[][]> {
  if (statements.length === 0) return []
  const flight = new Flight(statements.map((statement) => statement.compile(on)))
  const { rows } = await on.executeQuery<unknown[]>(CompiledQuery.raw('', [flight]))
  return rows
}

type KyselyPool = Exclude<PostgresDialectConfig['pool'], (...given: never) => unknown>
type KyselyClient = Awaited<ReturnType<KyselyPool['connect']>>

/** More texts than that are not ours, and a connection keeps what it has prepared until it ends. */
const mostNames = 500

/** The same pool, whose statements have names. */
function preparing(pool: Pool): KyselyPool {
  const names = new Map<string, string>()
  const nameOf = (text: string): string | undefined => {
    if (!names.has(text) && names.size < mostNames) names.set(text, `isobar_${names.size}`)
    return names.get(text)
  }
  const clients = new WeakMap<PoolClient, KyselyClient>() // Kysely knows a connection by it
  const clientOf = (client: PoolClient): KyselyClient => {
    const known = clients.get(client)
    if (known) return known
    const one = (text: string, values: readonly unknown[]): Promise<QueryResult> =>
      values.length === 0 ? client.query(text) : client.query({ name: nameOf(text), text, values: [...values] })
    async function all({ statements }: Flight) {
      const { stream } = client.connection
      stream.cork()
      const sent = statements.map(({ sql, parameters }) => one(sql, parameters))
      stream.uncork()
      const results = await Promise.all(sent)
      return { command: 'SELECT', rowCount: results.length, rows: results.map(({ rows }) => rows) }
    }
    const query = (text: string, values: readonly unknown[]) =>
      values[0] instanceof Flight ? all(values[0]) : one(text, values)
    const made: KyselyClient = Object.assign(Object.create(client), { query })
    clients.set(client, made)
    return made
  }
  return { connect: async () => clientOf(await pool.connect()), end: () => pool.end(), options: pool.options }
}
