import { z } from 'zod'

import { orderFields, type Order, type Page } from '#store/store.ts'
import { Problem } from './problem.ts'

/** Query parameters of every list that comes in pages. */
export const pageQuery = {
  pageSize: z.coerce.number().int().min(1).max(1000).default(100).meta({ description: 'Items of one page, at most.' }),
  pageToken: z.string().max(1000).optional().meta({ description: '`nextPageToken` of the page before.' }),
}

/** The query parameter of a list that may come in another order than the newest first. */
export const orderQuery = {
  orderBy: z
    .string()
    .max(100)
    .optional()
    .meta({
      description: `Fields with commas between, each with \` desc\` behind it for the other way round: ${orderFields.join(', ')}. Equal ones come newest first.`,
    }),
}

type PageQuery = { pageSize: number; pageToken?: string | undefined; orderBy?: string | undefined }

const word = z.string().regex(/^[!-~]{1,100}$/)

/** The order (in the one way to write it) and the place behind which the next page begins. */
const Token = z.tuple([
  z.string(),
  z.strictObject({
    createdAt: z.int().min(0),
    name: word,
    priority: z.int32(),
    project: word,
    id: word,
  }),
])

/** The page that is asked for, in its order, behind where the one before ended. */
export function readPage({ pageSize, pageToken, orderBy = '' }: PageQuery): Page {
  const page = { size: pageSize, order: readOrder(orderBy) }
  if (pageToken === undefined) return page
  const [ordered, after] = readToken(pageToken)
  if (ordered === written(page.order)) return { ...page, after }
  throw new Problem('usage', 'The pageToken is of a list in another order; all of its pages have the same orderBy.', {
    next: ['isobar ps'],
  })
}

function readOrder(text: string): Order {
  const order = text.trim() === '' ? [] : text.split(',').map((part) => readField(part, text))
  const twice = order.find(({ by }, i) => order.findIndex((other) => other.by === by) < i)
  if (twice) throw wrongOrder(text, `names ${twice.by} twice`)
  return order
}

function readField(part: string, text: string): Order[number] {
  const [, name, desc] = /^ *(\S+)( +desc)? *$/.exec(part) ?? []
  const by = orderFields.find((field) => field === name)
  if (by === undefined) throw wrongOrder(text, 'is not an order')
  return { by, descending: desc !== undefined }
}

const wrongOrder = (text: string, why: string): Problem =>
  new Problem(
    'usage',
    `orderBy=${text} ${why}; it is fields with commas between, of ${orderFields.join(', ')}, each with " desc" behind it for the other way round.`,
    { next: ["isobar ps --order-by 'priority desc, createdAt'"] },
  )

const written = (order: Order): string => order.map(({ by, descending }) => (descending ? `${by} desc` : by)).join(',')

function readToken(token: string): z.output<typeof Token> {
  try {
    return Token.parse(JSON.parse(Buffer.from(token, 'base64url').toString()))
  } catch {
    throw new Problem('usage', 'The pageToken is not one that this server gave.', { next: ['isobar ps'] })
  }
}

/** The token that leads on from the last item of a full page; null when the page was the last. */
export function nextPageToken(items: NonNullable<Page['after']>[], { size, order = [] }: Page): string | null {
  const last = items.length < size ? undefined : items.at(-1)
  if (!last) return null
  const { createdAt, name, priority, project, id } = last
  return Buffer.from(JSON.stringify([written(order), { createdAt, name, priority, project, id }])).toString('base64url')
}
