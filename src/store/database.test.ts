import assert from 'node:assert/strict'
import { test } from 'node:test'

import { sql } from 'kysely'

import { openFaultProxy, overPort, postgresOf } from '#rigs/fault-proxy.ts'
import { aDatabase } from '#rigs/postgres.ts'
import { openDatabase, rehearsed } from './database.ts'
import { StoreUnavailable } from './store-unavailable.ts'

test('a database that cannot be used says what to correct, and never a password', async () => {
  const wrong = [
    { url: 'postgres://me:hush@127.0.0.1:1/isobar', says: /does not answer[\s\S]*\nStart it, or correct/ },
    { url: (await aDatabase()).replace(/\/test_\w+/, '/nowhere'), says: /There is no such database[\s\S]*createdb/ },
    {
      url: (await aDatabase()).replace('isobar@', 'stranger@'),
      says: /lets nobody in[\s\S]*\nCorrect user and password/,
    },
    { url: 'postgres://me:hush#1@127.0.0.1:5432/isobar', says: /is no address[\s\S]*\nWrite it as postgres:/ },
    { url: 'postgres://me:hush@one:5432,two:5432/isobar', says: /several hosts[\s\S]*\nName the one that always/ },
    { url: 'postgres://me:hush@/isobar?host=one,two', says: /several hosts[\s\S]*\nName the one that always/ },
  ]
  for (const { url, says } of wrong)
    await assert.rejects(openDatabase({ url, patienceMs: 50 }), (error: Error) => {
      assert.match(error.message, says)
      return !error.message.includes('hush')
    })
})

test('a transaction whose connection breaks runs again from its start, and counts once', async () => {
  const url = await aDatabase()
  const [database, other] = [await openDatabase({ url }), await openDatabase({ url })]
  await database.write((on) => sql`create table counted (x int)`.execute(on))
  let tries = 0
  await database.write(async (on) => {
    tries += 1
    await sql`insert into counted values (1)`.execute(on)
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(on)
    if (tries === 1) await other.read((beside) => sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(beside))
    await sql`insert into counted values (2)`.execute(on)
  })
  const { rows } = await database.read((on) => sql<{ x: number }>`select x from counted order by x`.execute(on))
  assert.deepEqual([tries, rows.map(({ x }) => x)], [2, [1, 2]])
  await Promise.all([database.close(), other.close()])
})

test('a rehearsal answers as the transaction would, fails as it would, and leaves nothing', async () => {
  const database = await openDatabase({ url: await aDatabase() })
  const rehearsal = rehearsed(database)
  await database.write((on) => sql`create table counted (x int primary key)`.execute(on))
  const add = (on: Parameters<Parameters<typeof database.write>[0]>[0]) =>
    sql<{ x: number }>`insert into counted values (1) returning x`.execute(on)
  for (const act of [rehearsal.write, rehearsal.claim]) assert.deepEqual((await act(add)).rows, [{ x: 1 }])
  assert.equal(await rehearsal.write(async () => undefined), undefined)
  await database.write(add)
  await assert.rejects(rehearsal.write(add), { code: '23505' })
  const { rows } = await rehearsal.read((on) => sql`select x from counted`.execute(on))
  assert.deepEqual(rows, [{ x: 1 }])
  await database.close()
})

test('a connection that leads to a standby is given up for one to the primary', async () => {
  const url = await aDatabase()
  const database = await openDatabase({ url, size: 1 })
  // As the only connection of the pool is led to a server that was a primary before.
  await database.write((on) => sql`create table counted (x int)`.execute(on))
  await database.read((on) => sql`set default_transaction_read_only = on`.execute(on))
  await database.write((on) => sql`insert into counted values (1)`.execute(on))
  const { rows } = await database.read((on) => sql`select x from counted`.execute(on))
  assert.deepEqual(rows, [{ x: 1 }])
  await database.close()
})

test("two transactions in each other's way both get through", async () => {
  const database = await openDatabase({ url: await aDatabase() })
  await database.write((on) => sql`create table rows as select x, 0 as times from generate_series(1, 2) x`.execute(on))
  const touch = (order: number[]) =>
    database.write(async (on) => {
      for (const x of order) await sql`update rows set times = times + 1 where x = ${x}`.execute(on)
    })
  await Promise.all([touch([1, 2]), touch([2, 1]), touch([1, 2]), touch([2, 1])])
  const { rows } = await database.read((on) => sql<{ times: number }>`select times from rows`.execute(on))
  assert.deepEqual(
    rows.map(({ times }) => times),
    [4, 4],
  )
  await database.close()
})

test('a database that stays away is told as such, and a mistake is told as it is', async () => {
  const url = await aDatabase()
  const database = await openDatabase({ url, patienceMs: 100 })
  await assert.rejects(
    database.read((on) => sql`select * from nothing`.execute(on)),
    { code: '42P01' },
  )
  await assert.rejects(
    database.read(() => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))),
    StoreUnavailable,
  )
  await database.close()
})

test('who gets no connection in time is told that the database does not answer, and the next one is served', async () => {
  const database = await openDatabase({ url: await aDatabase(), size: 1, patienceMs: 100 })
  const [taken, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holding = database.write(async () => {
    taken.resolve()
    await goOn.promise
  })
  await taken.promise
  const one = (): Promise<unknown> => database.read((on) => sql`select 1`.execute(on))
  await assert.rejects(one(), StoreUnavailable)
  goOn.resolve()
  await holding
  await one()
  await database.close()
})

test('a connection that the network forgot is given up after a while, and the next query is served by another', async (t) => {
  const url = await aDatabase()
  const proxy = await openFaultProxy({ target: postgresOf(url), draw: Math.random })
  t.after(() => proxy.close())
  const database = await openDatabase({ url: overPort(url, proxy.port), size: 1, patienceMs: 50, silenceMs: 300 })
  const one = (): Promise<unknown> => database.read((on) => sql`select 1`.execute(on))
  await one()
  proxy.trouble([{ kind: 'lost' }])
  proxy.calm()
  await assert.rejects(one(), StoreUnavailable)
  await one()
  await assert.rejects(
    database.write(async (on) => {
      await sql`select 1`.execute(on)
      proxy.trouble([{ kind: 'lost' }])
      proxy.calm()
      await sql`select 2`.execute(on)
    }),
    StoreUnavailable,
  )
  await one()
  await database.write(async (on) => {
    await sql`set local statement_timeout = 0`.execute(on) // as a migration does
    await sql`select pg_sleep(0.4)`.execute(on)
  })
  await database.close()
})

test('what the server is not at work on is not waited for: a question that never came, an answer that was lost', async (t) => {
  const url = await aDatabase()
  for (const kind of ['lost', 'half-open'] as const) {
    const proxy = await openFaultProxy({ target: postgresOf(url), draw: Math.random })
    t.after(() => proxy.close())
    const database = await openDatabase({ url: overPort(url, proxy.port), size: 1, patienceMs: 50, askMs: 100 })
    await database.read((on) => sql`select pg_sleep(0.5)`.execute(on))
    proxy.trouble([{ kind }])
    proxy.calm()
    const began = performance.now()
    await assert.rejects(
      database.write((on) => sql`select 1`.execute(on)),
      StoreUnavailable,
    )
    assert.ok(performance.now() - began < 10_000, kind)
    await database.read((on) => sql`select 1`.execute(on))
    await database.close()
  }
})
