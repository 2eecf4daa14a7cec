import { createHeap } from '#kit/heap.ts'
import type { Diary } from './befell.ts'
import type { Books } from './books.ts'
import type { Faults } from './faults.ts'
import type { SimulatedSite } from './options.ts'
import { createOutages, type Down } from './outages.ts'

/** What comes to a site, in the order of time: ends and losses, and what was sent to it and has not arrived yet. */
export type Timeline = {
  /** The books, with all in them that has happened by now. Instants may not go backwards. */
  at(now: number): Books
  /** Does something once that instant has come, before anything later happens; not while the site is lost. */
  later(at: number, what: (at: number) => void): void
  /** When the first of what is to come will; Infinity if nothing is. */
  nextAt(): number
  /** Makes the site answer nobody, or everybody again. If it is lost, everything there ends now, without a word. */
  sever(how: Down | null, now: number, forGood?: boolean): void
  /** How it answers nobody; null when it answers. */
  down(now: number): Down | null
}

type Options = {
  seed: string | number
  site: SimulatedSite
  faults: Faults
  diary: Diary
  /** When time begins. */
  from: number
}

export function createTimeline(books: Books, options: Options): Timeline {
  const outages = createOutages(options)
  const coming = createHeap<{ at: number; what: (at: number) => void }>((a, b) => a.at < b.at)

  const lose = (now: number): void => {
    books.lose(now)
    options.diary.write({ at: now, site: options.site.name, call: null, token: '', fault: 'lost' })
  }
  const at = (now: number): Books => {
    for (const lost of outages.losses(now)) coming.push({ at: lost, what: lose })
    for (let next = coming.peek(); next && next.at <= now; next = coming.peek()) {
      coming.pop()
      books.settle(next.at)
      next.what(next.at)
    }
    books.settle(now)
    return books
  }
  return {
    at,
    later: (when, what) =>
      coming.push({ at: when, what: (instant) => (outages.at(instant) === 'lost' ? undefined : what(instant)) }),
    nextAt: () => coming.peek()?.at ?? Infinity,
    sever(how, now, forGood) {
      at(now)
      outages.sever(how, forGood)
      if (how === 'lost') lose(now)
    },
    down: outages.at,
  }
}
