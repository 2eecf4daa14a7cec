import { type RawBuilder, sql } from 'kysely'

import type { Database, Executor } from '#store/database.ts'
import type { Secrets, StoredSecret } from '#store/settings.ts'
import { nudge } from './nudge.ts'

/** Secrets as they were sealed by others; nothing in this room can read one. */
export const createSecrets = (database: Database): Secrets => ({
  put: (project, { name, sealed, updatedAt }, check) =>
    database.write(async (on) => {
      if (check) check(await found(on, { project, name }, sql`for update`))
      await sql`
        insert into secrets (project, name, sealed, updated_at)
        values (${project}, ${name}, ${Buffer.from(sealed)}, ${updatedAt}::bigint)
        on conflict (project, name) do update set sealed = excluded.sealed, updated_at = excluded.updated_at
      `.execute(on)
      await nudge(on, ['admit']) // somebody may wait for it
    }),
  list: (project) =>
    database.read(async (on) => {
      const { rows } = await sql<{ name: string; updatedAt: number }>`
        select name, updated_at as "updatedAt" from secrets where project = ${project} order by name
      `.execute(on)
      return rows
    }),
  find: (project, name) => database.read((on) => found(on, { project, name })),
  get: (project, names) =>
    database.read(async (on) => {
      const { rows } = await sql<{ name: string; sealed: Buffer }>`
        select name, sealed from secrets where project = ${project} and name = any(${names}::text[])
      `.execute(on)
      return new Map(rows.map(({ name, sealed }) => [name, new Uint8Array(sealed)]))
    }),
  sameKey: (mark) =>
    database.write(async (on) => {
      // The first key is the key of the house, until nothing is left that another one could not replace.
      const { rows } = await sql<{ same: boolean }>`
        update house set key_mark = case when key_mark is null or not (
          exists (select 1 from secrets)
          or exists (select 1 from leases where state not in ('gone', 'refused'))
          or exists (select 1 from control_planes where heard_at > clock_timestamp() - interval '15 seconds')
        ) then ${mark} else key_mark end
        returning key_mark = ${mark} as same
      `.execute(on)
      return rows[0]?.same === true
    }),
  hasKey: () =>
    database.read(async (on) => {
      const { rows } = await sql`select 1 from house where key_mark is not null`.execute(on)
      return rows.length > 0
    }),
  remove: (project, name, check) =>
    database.write(async (on) => {
      if (check) check(await found(on, { project, name }, sql`for update`))
      const { rows } = await sql`
        delete from secrets where project = ${project} and name = ${name} returning name
      `.execute(on)
      await nudge(on, ['admit'])
      return rows.length > 0
    }),
})

type Which = { project: string; name: string }

async function found(on: Executor, { project, name }: Which, lock: RawBuilder<unknown> = sql``) {
  const { rows } = await sql<StoredSecret>`
    select name, sealed, updated_at as "updatedAt" from secrets where project = ${project} and name = ${name} ${lock}
  `.execute(on)
  return rows[0] ?? null
}
