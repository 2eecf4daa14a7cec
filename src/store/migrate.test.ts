import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { sql } from 'kysely'

import { aDatabase, aStore, bringUpToDate } from '#rigs/postgres.ts'
import { type Database, openDatabase } from './database.ts'
import { schemaPath, schemaText } from './generate-schema.ts'
import { migrate, shippedMigrations, type Migration } from './migrate.ts'
import { dumpSchema } from './schema-dump.ts'

async function opened(use: (database: Database, url: string) => Promise<void>): Promise<void> {
  const url = await aDatabase()
  const database = await openDatabase({ url })
  try {
    await use(database, url)
  } finally {
    await database.close()
  }
}

const aProgram = (migrations: Migration[], version: string | null = null) => ({ migrations, version })
const aStep = (name: string, text: string) => ({ name, text, checksum: text })

test('several programs migrate at once, and each step runs once', () =>
  opened(async (database, url) => {
    const others = await Promise.all([openDatabase({ url }), openDatabase({ url })])
    const done = await Promise.all([database, ...others].map((each) => migrate(each)))
    await Promise.all(others.map((other) => other.close()))
    assert.deepEqual(
      done.flat(),
      shippedMigrations().map(({ name }) => name),
    )
    assert.deepEqual(await migrate(database), [])
  }))

test('a step that fails leaves nothing behind', () =>
  opened(async (database) => {
    const steps = [aStep('1', 'create table a (x int)'), aStep('2', 'create table b (x int); select nothing')]
    await assert.rejects(migrate(database, aProgram(steps)), /nothing/)
    assert.equal(await database.read(dumpSchema), '')
  }))

test('a database of a newer program is refused, and so is one of another text', () =>
  opened(async (database) => {
    const [one, two] = [aStep('1', 'create table a (x int)'), aStep('2', 'create table b (x int)')]
    await migrate(database, aProgram([one, two], '0.3.0'))
    await assert.rejects(
      migrate(database, aProgram([one], '0.2.1')),
      /by Isobar 0\.3\.0: its schema is 2, and this is Isobar 0\.2\.1, which knows it up to 1\.\nStart Isobar 0\.3\.0 or a later one here\.$/,
    )
    await assert.rejects(migrate(database, aProgram([one, aStep('2', 'select 1')])), /another text of 2 /)
  }))

test('a database that was made before versions were written down is brought up to date', () =>
  opened(async (database) => {
    const [one, two] = [aStep('1', 'create table a (x int)'), aStep('2', 'create table b (x int)')]
    await migrate(database, aProgram([one]))
    await database.write((on) => sql`alter table migrations drop column version`.execute(on))
    assert.deepEqual(await migrate(database, aProgram([one, two], '0.3.0')), ['2'])
    await assert.rejects(
      migrate(database, aProgram([one])),
      /by Isobar 0\.3\.0: its schema is 2, and this is an older one/,
    )
  }))

test('who runs when a newer program brings the database up to date loses its claims and gets no more', async () => {
  await using older = await aStore()
  const claim = await older.claims.take('admit', 'older', 60)
  assert.ok(claim)
  const heard = Promise.withResolvers<void>()
  older.onNudge((nudge) => nudge === 'schema' && heard.resolve())
  await older.requireSchema()
  await bringUpToDate(older.url)
  await heard.promise
  await assert.rejects(older.requireSchema(), /by Isobar 9\.0\.0: its schema is 9999-later/)
  assert.equal(await older.placement.commit(claim, [], [], Date.now()), null)
  assert.equal(await older.claims.take('admit', 'older', 60), null)
  assert.equal(await older.claims.take('follow', 'older', 60), null)
})

test('the schema is the one that is checked in', () =>
  opened(async (database) => {
    await migrate(database)
    assert.equal(schemaText(await database.read(dumpSchema)), readFileSync(schemaPath, 'utf8'), 'run: npm run generate')
  }))

test('money and times come back whole', () =>
  opened(async (database) => {
    const { rows } = await database.read((on) =>
      sql<{ money: bigint; time: number }>`
        select 99999999999999999999999999999999999999::numeric(38, 0) as money, 1767225600000::bigint as time
      `.execute(on),
    )
    assert.deepEqual(rows, [{ money: 99999999999999999999999999999999999999n, time: 1_767_225_600_000 }])
  }))
