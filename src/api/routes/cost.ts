import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { Name } from '#model/names.ts'
import type { CostFilter } from '#store/store.ts'
import { findWorkload } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { Problem } from '#api/problem.ts'
import { money } from '#api/show.ts'
import { CostGroupName, CostView } from '#api/views.ts'

const instant = z.iso
  .datetime({ offset: true, error: 'must be a time with its zone, such as 2026-12-01T09:00:00Z' })
  .optional()

const cost = createRoute({
  method: 'get',
  path: '/v1/cost',
  tags: ['cost'],
  summary: 'What was spent, from the ledger.',
  request: {
    query: z.object({
      by: z
        .string()
        .max(100)
        .default('workload')
        .meta({ description: `${CostGroupName.options.join(', ')}; several with commas between.` }),
      project: Name.optional(),
      workload: z.string().max(100).optional().meta({ description: 'Id or name.' }),
      from: instant,
      to: instant,
    }),
  },
  responses: answers(200, CostView, 'Rows in the order of their keys, and the exact total.'),
})

const msPerHour = 3_600_000

export function costRoutes(app: Api, house: ApiHouse): void {
  app.openapi(cost, async (c) => {
    const { by, project, workload, from, to } = c.req.valid('query')
    const groups = z
      .array(CostGroupName)
      .min(1)
      .max(4)
      .safeParse([...new Set(by.split(','))])
    if (!groups.success)
      throw new Problem('usage', `by=${by} is not known; there are ${CostGroupName.options.join(', ')}.`, {
        next: ['isobar cost --by workload,tier'],
      })
    const filter: CostFilter = {}
    if (project !== undefined) filter.project = project
    if (workload !== undefined) filter.workload = (await findWorkload(house, workload, project)).id
    if (from !== undefined) filter.from = Date.parse(from)
    if (to !== undefined) filter.to = Date.parse(to)
    const rows = await house.store.ledger.cost(filter, groups.data)
    const total = rows.reduce((sum, { amountMicros }) => sum + amountMicros, 0n)
    return c.json(
      {
        by: groups.data,
        rows: rows.map(({ keys, amountMicros, leaseMs }) => ({
          keys,
          amount: money(amountMicros),
          leaseHours: Number(leaseMs) / msPerHour,
        })),
        total: money(total),
      },
      200,
    )
  })
}
