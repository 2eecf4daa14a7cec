import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { sql } from 'kysely'

import { aDatabase } from '#rigs/postgres.ts'
import { type Database, openDatabase } from './database.ts'
import { schemaPath, schemaText } from './generate-schema.ts'
import { migrate, shippedMigrations } from './migrate.ts'
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
    await assert.rejects(migrate(database, steps), /nothing/)
    assert.equal(await database.read(dumpSchema), '')
  }))

test('a database of a newer program is refused, and so is one of another text', () =>
  opened(async (database) => {
    const [one, two] = [aStep('1', 'create table a (x int)'), aStep('2', 'create table b (x int)')]
    await migrate(database, [one, two])
    await assert.rejects(migrate(database, [one]), /newer Isobar: this one does not know 2\.\nStart that version/)
    await assert.rejects(migrate(database, [one, aStep('2', 'select 1')]), /another text of 2 /)
  }))

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
