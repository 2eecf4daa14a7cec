import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sql } from 'kysely'

import { aDatabase } from '#rigs/postgres.ts'
import { type Database, type Executor, openDatabase } from './database.ts'
import { plannedAnew, together } from './dialect.ts'

const prepared = async (database: Database, like: string): Promise<number[]> => {
  const { rows } = await database.read((on) =>
    sql<{ plans: number }>`
      select generic_plans + custom_plans as plans from pg_prepared_statements where statement like ${like}
    `.execute(on),
  )
  return rows.map(({ plans }) => plans)
}

test('a statement is prepared once for a connection, however often it is asked', async () => {
  await using database = await aSmallOne()
  for (let i = 0; i < 3; i++) await database.write((on) => sql`select ${i}::int as often`.execute(on))
  assert.deepEqual(await prepared(database, '%as often%'), [3])
})

test('what writes finds its rows by their key, though the table was empty when that was planned', async () => {
  await using database = await aSmallOne()
  await database.write((on) => sql`create table full_soon (id text primary key, seen bool, times int)`.execute(on))
  const see = () =>
    database.write(async (on) => {
      const few = JSON.stringify([{ id: '1' }, { id: '2' }])
      await sql`
        update full_soon f set seen = true from json_to_recordset(${few}::json) as x (id text)
        join full_soon g on g.id = x.id where f.id = g.id
      `.execute(on)
    })
  await see()
  await database.write((on) => sql`insert into full_soon select x::text from generate_series(1, 2000) x`.execute(on))
  await see()
  await database.read((on) => sql`select pg_stat_force_next_flush()`.execute(on))
  const { rows } = await database.read((on) =>
    sql<{ whole: number; byKey: number }>`
      select seq_tup_read as whole, idx_tup_fetch as "byKey" from pg_stat_user_tables where relname = 'full_soon'
    `.execute(on),
  )
  assert.deepEqual(rows, [{ whole: 0, byKey: 4 }])
})

test('plans are made anew when their connection is half as old again, and every 30 seconds', async (t) => {
  let at = 0
  t.mock.method(performance, 'now', () => at)
  await using database = await aSmallOne()
  // What never changes is worked out by who makes a plan: each plan has a number of its own.
  await database.write((on) =>
    sql
      .raw(
        `create sequence plans; create function number_of_plan() returns bigint language plpgsql immutable
         as $$ begin return nextval('plans'); end $$`,
      )
      .execute(on),
  )
  const planOf = async (milliseconds: number): Promise<number> => {
    at = milliseconds
    const ask = (on: Executor) => sql<{ plan: number }>`select number_of_plan() + 0 * ${at}::int as plan`.execute(on)
    return (await database.write(ask)).rows[0]?.plan ?? 0
  }
  const seen: number[] = []
  for (const milliseconds of [0, 240, 260, 630, 650, 1_200, 1_230, 100_000, 129_000, 131_000, 160_000, 162_000])
    seen.push(await planOf(milliseconds))
  const first = seen[0] ?? 0
  assert.deepEqual(
    seen.map((plan) => plan - first),
    [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6],
  )
})

test('a step over whole tables is planned as PostgreSQL does by itself', async () => {
  await using database = await aSmallOne()
  const settings = await database.write(async (on) => {
    await sql.raw(plannedAnew).execute(on)
    const { rows } = await sql<{ name: string }>`
      select name from pg_settings where source = 'session' and name like any (array['enable%', 'plan%'])
        and setting is distinct from boot_val
    `.execute(on)
    return rows
  })
  assert.deepEqual(settings, [])
})

const add = (id: number) => sql`insert into sent values (${id}::int) returning id`
const count = sql`select count(*)::int as count from sent`

test('statements that are sent together are answered each by its own rows, and see what those before them have written', async () => {
  await using database = await aSmallOne()
  await database.write((on) => sql`create table sent (id int primary key)`.execute(on))
  const answers = await database.write((on) => together(on, [add(1), count, add(2), count]))
  assert.deepEqual(answers, [[{ id: 1 }], [{ count: 1 }], [{ id: 2 }], [{ count: 2 }]])
})

test('where one of those that were sent together fails all is undone, and its connection is as good as before', async () => {
  await using database = await aSmallOne()
  await database.write((on) => sql`create table sent (id int primary key)`.execute(on))
  const never = sql`select ${'never prepared before'}::text as what`
  const twice = database.write((on) => together(on, [add(1), add(1), add(2), never]))
  await assert.rejects(twice, /duplicate key/)
  const after = await database.write((on) => together(on, [add(1), never, sql`select id from sent`]))
  assert.deepEqual(after, [[{ id: 1 }], [{ what: 'never prepared before' }], [{ id: 1 }]])
})

async function aSmallOne(): Promise<Database & AsyncDisposable> {
  const database = await openDatabase({ url: await aDatabase(), size: 1 })
  return { ...database, [Symbol.asyncDispose]: () => database.close() }
}
