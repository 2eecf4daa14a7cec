import type { z } from 'zod'

import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { Client } from './client.ts'
import { listOf } from './wire.ts'

const pageSize = 500
/** A cluster with more than that of one kind is none that Kubernetes supports. */
const mostPages = 1000

/** All objects of a list, page by page. `path` has a query already. A list that was too old to go on begins anew. */
export async function pagesOf<T extends z.ZodType>(
  { client, path, item }: { client: Client; path: string; item: T },
  signal: AbortSignal,
): Promise<Outcome<z.output<T>[]>> {
  const schema = listOf(item)
  for (let tries = 1; ; tries++) {
    const found: z.output<T>[] = []
    let from = ''
    let expired = false
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
      found.push(...items)
      if (metadata.continue == null || metadata.continue === '') return succeed(found)
      from = encodeURIComponent(metadata.continue)
    }
    if (!expired) return fail('invalid', 'elsewhere', `there is no end of ${path}`)
  }
}
