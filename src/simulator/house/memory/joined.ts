import type { Leaving } from '#model/joined-site.ts'
import { siteKey } from '#model/site.ts'
import { leavingFrom } from '#store/queries/joined.ts'
import { joinedEvent, leavingEvent, leftEvent } from '#store/queries/told.ts'
import type { JoinedSites } from '#store/settings.ts'
import { jsonb } from './jsonb.ts'
import type { Memory } from './memory.ts'
import { all } from './tables.ts'

export const createJoinedSites = ({ sites, leases, read, write, tell }: Memory): JoinedSites => ({
  list: () =>
    read(() =>
      sites.byKey.get(all).flatMap(({ key, site, declaration, leaving }) => {
        return declaration ? [{ key, provider: site.provider, site, declaration, leaving }] : []
      }),
    ),
  add: (site, declaration, now) =>
    write(() => {
      const key = siteKey(site)
      if (sites.get(key)) return false
      const unasked = {
        reach: 'reachable',
        detail: '',
        offers: jsonb([]),
        nodes: null,
        offersAt: null,
        askedAt: null,
      } as const
      sites.insert({ key, site: jsonb(site), since: now, ...unasked, declaration: jsonb(declaration), leaving: null })
      tell({ events: [joinedEvent(key)], now, nudges: ['sites', 'events'] })
      return true
    }),
  leave: (key, how) =>
    write(() => {
      const row = sites.get(key)
      if (!row?.declaration) return null
      const before = row.leaving
      const leaving = leavingFrom(before, how)
      sites.update(row, { leaving: jsonb(leaving) })
      if (!before) tell({ events: [leavingEvent(key)], now: how.now })
      tell({ nudges: ['admit', 'sites', 'events'] })
      return leaving
    }),
  remains: (key, leaving) =>
    write(() => {
      const row = sites.get(key)
      if (row?.leaving && isAsked(row.leaving, leaving)) sites.update(row, { leaving: jsonb(leaving) })
    }),
  remove: (key, now) =>
    write(() => {
      const row = sites.get(key)
      if (!row?.leaving || leases.openAt.get(key).length > 0) return false
      sites.remove(row)
      tell({ events: [leftEvent(key)], now, nudges: ['admit', 'sites', 'events'] })
      return true
    }),
})

/** Whether the same was asked of both. */
const isAsked = (one: Leaving, other: Leaving): boolean =>
  one.since === other.since && one.stopAt === other.stopAt && one.goneAt === other.goneAt
