import { type RawBuilder, sql } from 'kysely'

import type { Event, NewEvent } from '#model/event.ts'
import type { Database, Executor } from '#store/database.ts'
import { together } from '#store/dialect.ts'
import type { Events, Nudge } from '#store/store.ts'
import { nudge, notify, textsOf, type News } from './nudge.ts'

type Reading = { most: number; workload?: string; project?: string }

export const createEvents = (database: Database): Events => ({
  add: (events, now) =>
    database.write(async (on) => {
      await addEvents(on, events, now)
      await nudge(on, ['events'])
    }),
  since: (cursor, reading) =>
    database.read(async (on) => {
      const after = positionOf(cursor)
      const { rows } = await sql<Event>`
        select ${shown} from events e
        where (e.generation, e.txid, e.seq) > (${after.generation}::int, ${after.txid}::text::xid8, ${after.seq}::bigint)
          and ${settled} and ${wanted(reading)}
        order by e.generation, e.txid, e.seq limit ${reading.most}
      `.execute(on)
      return rows
    }),
  latest: (reading) =>
    database.read(async (on) => {
      const { rows } = await sql<Event>`
        select ${shown} from events e where ${settled} and ${wanted(reading)}
        order by e.generation desc, e.txid desc, e.seq desc limit ${reading.most}
      `.execute(on)
      return rows.toReversed()
    }),
})

/** Writes events within a transaction; the caller nudges. */
export async function addEvents(on: Executor, events: NewEvent[], now: number): Promise<void> {
  if (events.length > 0) await inserting(events, now).execute(on)
}

const inserting = (events: NewEvent[], now: number) => sql`
  insert into events (generation, at, type, workload, project, message, data)
  select (select generation from house), ${now}::bigint, x.type, x.workload, x.project, x.message, x.data
  from json_to_recordset(${JSON.stringify(events)}::json)
    as x (type text, workload text, project text, message text, data jsonb)
`

type Telling = { events: NewEvent[]; now: number; nudges: Iterable<Nudge>; news?: News }

/** Writes events and nudges: what ends most transactions. */
export async function tell(on: Executor, telling: Telling): Promise<void> {
  await together(on, toTell(telling))
}

/** The one statement that does so; none where there is nothing to tell. */
export function toTell({ events, now, nudges, news = {} }: Telling): RawBuilder<unknown>[] {
  const texts = textsOf(nudges, news)
  if (texts.length === 0) return events.length > 0 ? [inserting(events, now)] : []
  const told = events.length > 0 ? sql`with told as (${inserting(events, now)})` : sql``
  return [sql`${told} ${notify(texts)}`]
}

/**
 * Rows that no open transaction can still get in front of. Transaction numbers are given when a transaction first
 * writes, not when it commits; so readers stop before the oldest that is still open, and skip nothing.
 */
const settled = sql`
  (e.generation < (select generation from house) or e.txid < pg_snapshot_xmin(pg_current_snapshot()))
`

const shown = sql`
  e.generation || '-' || e.txid || '-' || e.seq as cursor,
  e.at, e.type, e.workload, e.project, e.message, e.data
`

const wanted = ({ workload, project }: Reading) => sql`
  ${workload === undefined ? sql`true` : sql`e.workload = ${workload}`}
  and ${project === undefined ? sql`true` : sql`e.project = ${project}`}
`

/** A cursor is `<generation>-<txid>-<seq>`; what is none reads from the start. */
export function positionOf(cursor: string | null): { generation: string; txid: string; seq: string } {
  const [, generation, txid, seq] = /^(\d{1,9})-(\d{1,18})-(\d{1,18})$/.exec(cursor ?? '') ?? []
  return { generation: generation ?? '0', txid: txid ?? '0', seq: seq ?? '0' }
}
