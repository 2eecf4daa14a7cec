import { setTimeout as pause } from 'node:timers/promises'

import { Client } from 'pg'

import { readTables } from '#simulator/house/invariants/postgres-tables.ts'
import type { Backing, MakeBacking } from '#simulator/house/world.ts'
import { openDatabase } from '#store/database.ts'
import { aReadyDatabase, aStore } from './postgres.ts'

/**
 * A simulated house remembers in a real PostgreSQL, whose clock is that of the house: what it asks for the time is
 * answered by a table that is told before each call.
 */
export const onPostgres: MakeBacking = async (clock) => {
  const url = await aReadyDatabase()
  const admin = new Client({ connectionString: url })
  await admin.connect()
  await admin.query(`
    create schema house;
    create table house.time (ms bigint);
    insert into house.time values (${clock.now()});
    create function house.clock_timestamp() returns timestamptz language sql stable as
      $$ select to_timestamp(ms / 1000.0) from house.time $$;
  `)
  const name = new URL(url.replace(/^postgres\w*:\/\/[^/]*/, 'postgres://x')).pathname.slice(1)
  await admin.query(`alter database ${name} set search_path = house, pg_catalog, public`)
  const inner = await aStore({ url, clock })
  const database = await openDatabase({ url, size: 1 })
  const calls = { underWay: 0 }
  let told = clock.now()
  const counted =
    <A extends unknown[], T>(make: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      calls.underWay++
      try {
        if (told !== clock.now()) {
          told = clock.now()
          await admin.query('update house.time set ms = $1', [told])
        }
        return await make(...args)
      } finally {
        calls.underWay--
      }
    }
  const store = { ...inner }
  for (const [noun, methods] of Object.entries(inner))
    if (typeof methods === 'object')
      Object.assign(store, {
        [noun]: Object.fromEntries(Object.entries(methods as object).map(([key, one]) => [key, counted(one)])),
      })
  Object.assign(store, { apply: counted(inner.apply), prune: counted(inner.prune), figures: counted(inner.figures) })
  const backing: Backing = {
    store,
    tables: counted(() => readTables(database)),
    async quiet() {
      while (calls.underWay > 0) await pause(0)
    },
    async close() {
      await inner.close()
      await database.close()
      await admin.end()
    },
  }
  return backing
}
