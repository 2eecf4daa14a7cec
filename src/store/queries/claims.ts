import { sql, type RawBuilder } from 'kysely'

import type { Database, Executor } from '#store/database.ts'
import type { Claim, Claims, Kept, Plane } from '#store/store.ts'
import { nudge } from './nudge.ts'

/**
 * Claims go by the database's clock, so that control planes with different clocks agree who holds what. Nobody gets one
 * who does not know the schema any more: `newest` is the last of its steps that this program knows.
 */
export const createClaims = (database: Database, newest: string): Claims => ({
  take: (name, holder, seconds) =>
    database.claim(async (on) => {
      const { rows } = await sql<Claim>`
        insert into claims as c (name, holder, epoch, expires_at)
        select ${name}, ${holder}, 1, clock_timestamp() + make_interval(secs => ${seconds}) from ${unhurried}
        where ${knows(newest)}
        on conflict (name) do update set
          holder = excluded.holder,
          -- Renewed in time it stays the same claim; after a pause somebody else may have had it in between.
          epoch = c.epoch + (c.holder <> excluded.holder or c.expires_at <= clock_timestamp())::int,
          expires_at = excluded.expires_at
        where c.holder = excluded.holder or c.expires_at <= clock_timestamp()
        returning c.name, c.holder, c.epoch
      `.execute(on)
      return rows[0] ?? null
    }),
  keep: (claims) => database.claim((on) => keep(on, claims, newest)),
  release: ({ name, holder, epoch }) =>
    database.write(async (on) => {
      // The row stays: the next claim must have a higher epoch.
      await sql`
        update claims set expires_at = clock_timestamp()
        where name = ${name} and holder = ${holder} and epoch = ${epoch}
      `.execute(on)
    }),
  async announce({ id, url }, claims) {
    const { rows } = await database.claim((on) =>
      sql<{ planes: Plane[]; kept: Claim[] | null; isNew: boolean }>`
        with me as (
          insert into control_planes as c (id, url, heard_at) select ${id}, ${url}, clock_timestamp() from ${unhurried}
          on conflict (id) do update set url = excluded.url, heard_at = excluded.heard_at
          returning c.id, c.url, xmax = 0 as "isNew"
        ), planes as (
          select id, url from me union all
          select c.id, c.url from control_planes c, me
          where c.id <> me.id and c.heard_at > clock_timestamp() - interval '15 s'
        ), ${keeping(claims, newest)}
        select me."isNew", (select json_agg(p order by id) from planes p) as planes,
          (select json_agg(r order by name) from renewed r) as kept
        from me
      `.execute(on),
    )
    const { planes = [], kept = null, isNew = false } = rows[0] ?? {}
    // The others must tell their agents of it before one of them dies.
    if (isNew)
      await database.write(async (on) => {
        await nudge(on, ['planes'])
        await sql`delete from control_planes where heard_at < clock_timestamp() - interval '1 day'`.execute(on)
      })
    return { planes, kept: kept ?? [] }
  },
  withdraw: (id) =>
    database.write(async (on) => {
      await sql`delete from control_planes where id = ${id}`.execute(on)
      await sql`
        update claims set expires_at = clock_timestamp() where holder = ${id} and expires_at > clock_timestamp()
      `.execute(on)
    }),
})

async function keep(on: Executor, claims: readonly Kept[], newest: string): Promise<Claim[]> {
  const { rows } = await sql<Claim>`
    with ${keeping(claims, newest)} select name, holder, epoch from renewed order by name
  `.execute(on)
  return rows
}

/** The claims that are renewed, as `renewed`. */
const keeping = (claims: readonly Kept[], newest: string) => sql`
  kept as materialized (
    select c.name, x.seconds from claims c join json_to_recordset(${JSON.stringify(claims)}::json)
      as x (name text, holder text, epoch bigint, seconds float8) using (name, holder, epoch)
    where c.expires_at > clock_timestamp() order by c.name for update of c
  ), renewed as (
    update claims c set expires_at = clock_timestamp() + make_interval(secs => kept.seconds) from kept, ${unhurried}
    where c.name = kept.name and c.expires_at > clock_timestamp() and ${knows(newest)}
    returning c.name, c.holder, c.epoch
  )`

/**
 * In the `from` of a statement that claims: it does not wait for the disk. A claim that a crash of the database takes back
 * was never held by whoever commits next: what is done under a claim is written only where that is still there, and what
 * is written so has waited for the disk, with all that came before it.
 */
export const unhurried = sql`set_config('synchronous_commit', 'off', true)`

/** Whether the schema is none that only newer programs know. */
export const knows = (newest: string): RawBuilder<boolean> =>
  sql`not exists (select 1 from migrations where name > ${newest})`

/** A row if the claim still holds, which then does not change hands until the transaction ends. */
export const holding = ({ name, holder, epoch }: Claim) => sql`
  select 1 from claims where name = ${name} and holder = ${holder} and epoch = ${epoch} for share
`

/** Whether the claim still holds, and keeps it from changing hands until the transaction ends. */
export async function holds(on: Executor, claim: Claim): Promise<boolean> {
  const { rows } = await holding(claim).execute(on)
  return rows.length > 0
}
