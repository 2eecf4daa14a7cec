import type { Event } from '#model/event.ts'
import type { Invariant } from './invariant.ts'
import { createPatience } from './patience.ts'

/** Whoever follows events with a cursor, of whichever control plane he asks, is told each once, none left out, in order. */
export function readersMissNothing(): Invariant {
  const all: Told[] = []
  /** Of each reader: how many he was told that were looked at, and where among all the next one is to come from. */
  const places = new Map<string, { read: number; next: number }>()
  const patience = createPatience()
  return {
    name: 'who follows events misses none, and hears none twice',
    rule: 8,
    when: 'always',
    check({ events, readers, now, able, bounds }) {
      if (readers.length === 0 && all.length === 0 && events.length === 0) return []
      all.push(...events.map(({ cursor, project }) => ({ cursor, project })))
      const behind: { key: string; isAble: boolean; mostMs: number }[] = []
      const wrong = readers.flatMap(({ who, project, told }) => {
        const place = places.get(who) ?? { read: 0, next: 0 }
        places.set(who, place)
        const missed: string[] = []
        for (; place.read < told.length; place.read++, place.next++) {
          place.next = nextOf(all, place.next, project)
          const due = all[place.next]?.cursor
          if (due !== told[place.read])
            missed.push(`${who} was told ${told[place.read]} where ${due ?? 'nothing'} was next`)
          if (missed.length > 0) break
        }
        place.next = nextOf(all, place.next, project)
        if (place.next < all.length)
          behind.push({ key: `${who} ${place.read}`, isAble: able(), mostMs: bounds.followMs })
        return missed
      })
      const stuck = patience(now, behind)
      return [
        ...wrong,
        ...[...stuck].map((key) => `${key.split(' ')[0]} is told of nothing more, though there is more`),
      ]
    },
  }
}

type Told = Pick<Event, 'cursor' | 'project'>

/** Where the next event of a project is, or of all, from a place on; at the end where there is none yet. */
function nextOf(all: readonly Told[], from: number, project: string | null): number {
  const found = project === null ? from : all.findIndex((event, at) => at >= from && event.project === project)
  return found === -1 ? all.length : found
}
