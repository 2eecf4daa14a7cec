import type { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Client } from './client.ts'
import { listOf } from './wire.ts'

const pageSize = 500
/** A cluster with more than that of one kind is none that Kubernetes supports. */
const mostPages = 1000

type Listing<T extends z.ZodType> = { client: Client; path: string; item: T }

/** What is done with a list that comes in pages. */
type Pages<T> = {
  /** It begins; also anew, when it was too old to go on: what came before is void. */
  begin(): void
  take(items: readonly T[]): void
}

/** All objects of a list, page by page. `path` has a query already. */
export async function pagesOf<T extends z.ZodType>(
  listing: Listing<T>,
  signal: AbortSignal,
): Promise<Outcome<z.output<T>[]>> {
  const found: z.output<T>[] = []
  const pages = {
    begin: () => void (found.length = 0),
    take: (items: readonly z.output<T>[]) => void found.push(...items),
  }
  const listed = await eachPage(listing, pages, signal)
  return listed.ok ? succeed(found) : listed
}

/** The same without keeping them; says the version of the whole, from which on one may watch. */
export async function eachPage<T extends z.ZodType>(
  { client, path, item }: Listing<T>,
  { begin, take }: Pages<z.output<T>>,
  signal: AbortSignal,
): Promise<Outcome<string>> {
  const schema = listOf(item)
  for (let tries = 1; ; tries++) {
    let from = ''
    let expired = false
    begin()
    for (let pages = 0; pages < mostPages; pages++) {
      const page = await client.ask({
        path: `${path}&limit=${pageSize}${from === '' ? '' : `&continue=${from}`}`,
        signal,
      })
      if (!page.ok) {
        if (page.refusal?.status !== 410 || tries > 2) return { ok: false, fault: page.fault }
        expired = true
        break
      }
      const { metadata, items } = schema.parse(page.body)
      take(items)
      if (metadata.continue == null || metadata.continue === '') return succeed(metadata.resourceVersion ?? '')
      from = encodeURIComponent(metadata.continue)
    }
    if (!expired) return fail('invalid', 'elsewhere', `there is no end of ${path}`)
  }
}
