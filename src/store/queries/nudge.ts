import { sql } from 'kysely'

import type { Executor } from '#store/database.ts'
import type { Nudge } from '#store/store.ts'

export const channel = 'isobar'

/** What is told with a nudge: the leases that hold nothing any more, and the workloads that have come. */
export type News = { gone?: readonly string[]; come?: readonly string[] }

/** PostgreSQL takes less than 8,000 bytes in one notification, and an id is a word of some twenty letters. */
const idsInOne = 200

/** Whoever hears of more than so many looks at everything anew. */
const mostIds = 2_000

/** Tells all control planes, once this transaction commits, that these loops may find something. */
export async function nudge(on: Executor, loops: Iterable<Nudge>, news: News = {}): Promise<void> {
  const texts = textsOf(loops, news)
  if (texts.length > 0) await notify(texts).execute(on)
}

export const notify = (texts: readonly string[]) => sql`select pg_notify(${channel}, x) from unnest(${texts}::text[]) x`

/** The notifications that tell of these. */
export function textsOf(loops: Iterable<Nudge>, { gone = [], come = [] }: News): string[] {
  const isMuch = gone.length + come.length > mostIds
  const names = new Set(loops)
  if (isMuch) names.add('admit')
  const texts = isMuch ? [] : [...inParts('gone', gone), ...inParts('come', come)]
  // Before the others: whoever hears of one thing only is to hear that all else may have changed.
  if (names.size > 0) texts.unshift([...names].sort().join(' '))
  return texts
}

function* inParts(name: string, ids: readonly string[]): Iterable<string> {
  for (let i = 0; i < ids.length; i += idsInOne) yield `${name}:${ids.slice(i, i + idsInOne).join(',')}`
}

/** The nudges of one notification, with what is told beside each. */
export function* readNudges(payload: string): Iterable<{ nudge: Nudge; ids: readonly string[] }> {
  for (const word of payload.split(' ')) {
    const [name = '', ids = ''] = word.split(':')
    if (isNudge(name)) yield { nudge: name, ids: ids === '' ? [] : ids.split(',') }
  }
}

export const allNudges = [
  'admit',
  'gone',
  'come',
  'launch',
  'retire',
  'follow',
  'events',
  'agents',
  'planes',
  'sites',
  'schema',
] as const

const isNudge = (name: string): name is Nudge => allNudges.some((one) => one === name)
