import { createRoute } from '@hono/zod-openapi'

import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { EndpointsList } from '#api/server-views.ts'

const endpoints = createRoute({
  method: 'get',
  path: '/v1/endpoints',
  tags: ['workloads'],
  summary: 'Where the ready replicas of each service are reached; for gateways, which ask often.',
  responses: answers(200, EndpointsList, 'All services that have not ended; one without a ready replica has none.'),
})

export function endpointRoutes(app: Api, house: ApiHouse): void {
  app.openapi(endpoints, async (c) => c.json({ items: await house.store.workloads.endpoints() }, 200))
}
