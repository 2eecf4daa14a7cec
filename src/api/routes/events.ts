import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { Name } from '#model/names.ts'
import { eventStream } from '#api/event-stream.ts'
import { findWorkload } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { pageQuery } from '#api/pages.ts'
import { Problem } from '#api/problem.ts'
import { eventView } from '#api/show.ts'
import { EventPage } from '#api/views.ts'

const Cursor = z
  .string()
  .max(60)
  .regex(/^[0-9-]+$/, 'must be a cursor that this server gave, or 0 for the beginning')

const events = createRoute({
  method: 'get',
  path: '/v1/events',
  tags: ['events'],
  summary: 'What happened, in order. With `Accept: text/event-stream` it goes on as it happens.',
  request: {
    query: z.object({
      pageSize: pageQuery.pageSize,
      after: Cursor.optional().meta({
        description: 'Cursor of the last event seen; `Last-Event-ID` does as well. Without it: the newest.',
      }),
      workload: z.string().max(100).optional().meta({ description: 'Id or name.' }),
      project: Name.optional(),
    }),
  },
  responses: answers(200, EventPage, 'Events, oldest first, and where the next page begins.'),
})

export function eventRoutes(app: Api, house: ApiHouse): void {
  app.openapi(events, async (c) => {
    const query = c.req.valid('query')
    const filter: { workload?: string; project?: string } = {}
    if (query.project !== undefined) filter.project = query.project
    if (query.workload !== undefined) filter.workload = (await findWorkload(house, query.workload, query.project)).id
    const after = query.after ?? lastSeen(c.req.header('last-event-id'))
    if (c.req.header('accept')?.includes('text/event-stream')) {
      const signal = AbortSignal.any([c.req.raw.signal, house.closing])
      // A stream instead of a page: outside of what the schema of the route can say.
      return eventStream(house, { filter, after, most: query.pageSize, signal }) as never
    }
    const options = { most: query.pageSize, ...filter }
    const items =
      after === null ? await house.store.events.latest(options) : await house.store.events.since(after, options)
    return c.json({ items: items.map(eventView), next: items.at(-1)?.cursor ?? after }, 200)
  })
}

function lastSeen(header: string | undefined): string | null {
  if (header === undefined || header === '') return null
  const cursor = Cursor.safeParse(header)
  if (cursor.success) return cursor.data
  throw new Problem('usage', 'Last-Event-ID is not a cursor that this server gave.')
}
