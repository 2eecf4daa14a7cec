import { z } from 'zod'

import type { Page } from '#store/store.ts'
import { Problem } from './problem.ts'

/** Query parameters of every list that comes in pages. */
export const pageQuery = {
  pageSize: z.coerce.number().int().min(1).max(1000).default(100).meta({ description: 'Items of one page, at most.' }),
  pageToken: z.string().max(300).optional().meta({ description: '`nextPageToken` of the page before.' }),
}

const Place = z.tuple([z.int().min(0), z.string().min(1).max(100)])

/** Where a page begins, from the opaque token of the page before. */
export function readPage(query: { pageSize: number; pageToken?: string | undefined }): Page {
  if (query.pageToken === undefined) return { size: query.pageSize }
  const [createdAt, id] = readToken(query.pageToken)
  return { size: query.pageSize, after: { createdAt, id } }
}

function readToken(token: string): [number, string] {
  try {
    return Place.parse(JSON.parse(Buffer.from(token, 'base64url').toString()))
  } catch {
    throw new Problem('usage', 'The pageToken is not one that this server gave.', { next: ['isobar ps'] })
  }
}

/** The token that leads on from the last item of a full page; null when the page was the last. */
export function nextPageToken(items: { createdAt: number; id: string }[], size: number): string | null {
  const last = items.length < size ? undefined : items.at(-1)
  return last ? Buffer.from(JSON.stringify([last.createdAt, last.id])).toString('base64url') : null
}
