import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import type { ListedWorkload } from '#store/store.ts'
import { findWorkload, hasEnded, projectQuery, workloadParams } from '#api/find.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { Problem } from '#api/problem.ts'
import { workloadView } from '#api/show-workload.ts'
import { WorkloadView } from '#api/views.ts'

const Goal = z.enum(['running', 'ready', 'ended'])
type Goal = z.infer<typeof Goal>

const wait = createRoute({
  method: 'get',
  path: '/v1/workloads/{workload}/wait',
  tags: ['workloads'],
  summary: 'Wait until it runs, is ready or has ended; 408 when it is not so in time.',
  request: {
    params: workloadParams,
    query: z.object({
      ...projectQuery,
      for: Goal.default('ended'),
      timeoutSeconds: z.coerce.number().min(0).max(60).default(30),
    }),
  },
  responses: answers(200, WorkloadView, 'It is so.'),
})

export function waitRoutes(app: Api, house: ApiHouse): void {
  app.openapi(wait, async (c) => {
    const query = c.req.valid('query')
    const signal = AbortSignal.any([c.req.raw.signal, house.closing])
    const until = house.clock.now() + query.timeoutSeconds * 1000
    let row = await findWorkload(house, c.req.valid('param').workload, query.project)
    while (!reached(row, query.for)) {
      const left = until - house.clock.now()
      if (left <= 0 || signal.aborted) throw notYet(row, query.for)
      // The bell may miss what another control plane did while it was not listening; so look again now and then.
      await house.bell.wait(['events'], Math.min(left, 1000), signal)
      row = (await house.store.workloads.get(row.id)) ?? row
    }
    return c.json(workloadView(row), 200)
  })
}

/** Whether it is as far as asked for. What has ended is as far as it will ever come. */
function reached(row: ListedWorkload, goal: Goal): boolean {
  if (hasEnded(row)) return true
  if (goal === 'running') return row.state === 'running'
  return goal === 'ready' && row.state === 'running' && row.ready >= row.replicas
}

const notYet = (row: ListedWorkload, goal: Goal): Problem =>
  new Problem('still-running', `"${row.name}" is not ${goal} yet: ${workloadView(row).summary}.`, {
    next: [`isobar why ${row.id}`],
  })
