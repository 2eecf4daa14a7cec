import { sql } from 'kysely'

import type { JoinedSite, Leaving } from '#model/joined-site.ts'
import { siteKey } from '#model/site.ts'
import type { Database } from '#store/database.ts'
import type { HowToLeave, JoinedSites } from '#store/settings.ts'
import { addEvents } from './events.ts'
import { nudge } from './nudge.ts'
import { parts } from './sites.ts'
import { joinedEvent, leavingEvent, leftEvent } from './told.ts'

export const createJoinedSites = (database: Database): JoinedSites => ({
  list: () =>
    database.read(async (on) => {
      const { rows } = await sql<JoinedSite>`
        select key, site ->> 'provider' as provider, site, declaration, leaving from sites
        where declaration is not null order by key
      `.execute(on)
      return rows
    }),
  add: (site, declaration, now) =>
    database.write(async (on) => {
      const { rows } = await sql`
        insert into sites (key, site, since, declaration)
        values (${siteKey(site)}, ${JSON.stringify(site)}::jsonb, ${now}::bigint, ${JSON.stringify(declaration)}::jsonb)
        on conflict (key) do nothing returning key
      `.execute(on)
      if (rows.length === 0) return false
      await addEvents(on, [joinedEvent(siteKey(site))], now)
      await nudge(on, ['sites', 'events'])
      return true
    }),
  leave: (key, how) =>
    database.write(async (on) => {
      const { rows } = await sql<{ leaving: Leaving | null }>`
        select leaving from sites where key = ${key} and declaration is not null for update
      `.execute(on)
      const [row] = rows
      if (!row) return null
      const leaving = leavingFrom(row.leaving, how)
      await sql`update sites set leaving = ${JSON.stringify(leaving)}::jsonb where key = ${key}`.execute(on)
      if (!row.leaving) await addEvents(on, [leavingEvent(key)], how.now)
      // It offers nothing any more.
      await nudge(on, ['admit', 'sites', 'events'])
      return leaving
    }),
  remains: (key, leaving) =>
    database.write(async (on) => {
      const now = JSON.stringify(leaving)
      await sql`
        update sites set leaving = ${now}::jsonb
        where key = ${key} and leaving - 'remains' = ${now}::jsonb - 'remains'
      `.execute(on)
    }),
  remove: (key, now) =>
    database.write(async (on) => {
      const [provider, name] = parts(key)
      const { rows } = await sql`
        delete from sites where key = ${key} and leaving is not null and not exists (
          select 1 from leases where provider = ${provider} and site = ${name} and state not in ('gone', 'refused')
        ) returning key
      `.execute(on)
      if (rows.length === 0) return false
      await addEvents(on, [leftEvent(key)], now)
      await nudge(on, ['admit', 'sites', 'events'])
      return true
    }),
})

/** Leaving as it is once it was asked for again: more of it may be asked, and what remains is to be looked at anew. */
export function leavingFrom(before: Leaving | null, { stop, gone, now }: HowToLeave): Leaving {
  const { since = now, stopAt, goneAt } = before ?? {}
  return { since, stopAt: stopAt ?? (stop ? now : null), goneAt: goneAt ?? (gone ? now : null), remains: [] }
}
