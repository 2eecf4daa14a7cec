import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { findWorkload, projectQuery, workloadParams } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { WhyView } from '#api/views.ts'
import { whyOf } from '#api/why.ts'

const why = createRoute({
  method: 'get',
  path: '/v1/workloads/{workload}/why',
  tags: ['workloads'],
  summary: 'Why it is as it is: one cause, what it rests on, and what to do.',
  request: { params: workloadParams, query: z.object(projectQuery) },
  responses: answers(200, WhyView, 'The answer.'),
})

export function whyRoutes(app: Api, house: ApiHouse): void {
  app.openapi(why, async (c) => {
    const row = await findWorkload(house, c.req.valid('param').workload, c.req.valid('query').project)
    const [attempts, plans, refusal, sites] = await Promise.all([
      house.store.workloads.attempts(row.id),
      house.store.plans.ofWorkload(row.id),
      house.store.workloads.refusal(row.id),
      house.store.sites.list(),
    ])
    return c.json(whyOf({ row, attempts, plans, refusal, sites }), 200)
  })
}
