import { createHash } from 'node:crypto'

import { z } from 'zod'

import type { Project } from '#model/project.ts'
import type { Workload } from '#model/workload.ts'
import type { StoredSecret } from '#store/settings.ts'
import { Problem } from './problem.ts'

// The tag of a thing is made from what people set of it and from nothing else, so that it holds while a run goes on.

export const workloadTag = ({ id, wants, priority }: Pick<Workload, 'id' | 'wants' | 'priority'>): string =>
  tagOf([id, wants, priority])
export const projectTag = (project: Project): string => tagOf(project)
/** From the sealed value: it is another with each set, and tells nothing of the secret. */
export const secretTag = ({ sealed }: Pick<StoredSecret, 'sealed'>): string =>
  tagOf(Buffer.from(sealed).toString('hex'))

const tagOf = (facts: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 20)}"`

const tag = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g

/** The tags of an `If-Match` as RFC 9110, section 13.1.1 has it: `*`, or tags with commas between; null for what is neither. */
function tagsOf(header: string): string[] | null {
  if (header.trim() === '*') return ['*']
  const tags = header.match(tag) ?? []
  const between = header.split(tag)
  const isList = between.every((text, i) =>
    (i === 0 || i === tags.length ? /^[\t ,]*$/ : /^[\t ]*,[\t ,]*$/).test(text),
  )
  return tags.length > 0 && isList ? tags : null
}

const ifMatch = z
  .string()
  .refine((header) => tagsOf(header) !== null, 'must be *, or tags as ETag gave them, in their quotes')

/** The header of every request that changes one thing. */
export const matchHeader = z.object({
  'If-Match': ifMatch.optional().meta({
    description: 'The `ETag` of what was read: when it has another now, nothing is changed and the answer is 412.',
  }),
})

/** The answers of a route about one thing, with its tag. */
export const tagged = <T extends { 200: object }>(responses: T) => ({
  ...responses,
  200: { ...responses[200], headers: tagHeader } as T[200] & { headers: typeof tagHeader },
})
const tagHeader = z.object({
  ETag: z.string().meta({ description: 'For `If-Match`: another once people changed it, and no other while it runs.' }),
})

/** Refuses a change of what is no more as it was read: `now` is its tag, null where there is no such thing. */
export function requireMatch(asked: z.output<typeof matchHeader>, now: string | null, what: Matched): void {
  const tags = asked['If-Match'] === undefined ? null : tagsOf(asked['If-Match'])
  if (tags === null || (now !== null && (tags[0] === '*' || tags.includes(now)))) return
  const why =
    now === null ? `There is no ${what.name} to change` : `${capital(what.name)} was changed since it was read`
  throw new Problem('changed', `${why}; nothing was done.`, { next: [what.look] })
}

/** What a change is about, and the command that shows how it is now. */
export type Matched = { name: string; look: string }

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
