import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { formatInstant } from '#kit/instant.ts'
import type { StoredPlan } from '#store/store.ts'
import { readDocuments } from '#api/documents.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import type { ApiHouse } from '#api/house.ts'
import { refuseHopeless, withinCost } from '#api/max-cost.ts'
import { answers, jsonBody, type Api } from '#api/openapi.ts'
import { decideAgain, differenceOf, makePlan, plannedWorkloads, planView, submissionOf } from '#api/plan.ts'
import { notFound, Problem } from '#api/problem.ts'
import { workloadView } from '#api/show-workload.ts'
import { time } from '#api/show.ts'
import { checkNames, madeBefore, type Document, type Submit } from '#api/submit.ts'
import { PlanView, SpecRequest, SubmittedView } from '#api/views.ts'

const tags = ['plans']
const params = z.object({ plan: z.string().min(1).max(100) })

const make = createRoute({
  method: 'post',
  path: '/v1/plans',
  tags,
  summary: 'Where the documents of a spec file would go now, for which price, and why; kept for 15 minutes.',
  request: { query: z.object(dryRunQuery), body: jsonBody(SpecRequest) },
  responses: answers(201, PlanView, 'The plan. Nothing was started.'),
})

const get = createRoute({
  method: 'get',
  path: '/v1/plans/{plan}',
  tags,
  summary: 'A plan that was made.',
  request: { params },
  responses: answers(200, PlanView, 'The plan.'),
})

const apply = createRoute({
  method: 'post',
  path: '/v1/plans/{plan}/apply',
  tags,
  summary: 'Submit exactly this plan; refused with the difference when it does not hold any more.',
  request: {
    params,
    query: z.object({
      ...dryRunQuery,
      maxCostMicros: z.coerce
        .number()
        .int()
        .min(0)
        .max(Number.MAX_SAFE_INTEGER)
        .optional()
        .meta({
          description:
            'The most that it may cost, in micro-dollars: in all where each document says how long it runs, in an hour ' +
            'otherwise. Holds for what waits as well, as `placement.maxPrice`.',
        }),
    }),
  },
  responses: answers(201, SubmittedView, 'One workload for each document.'),
})

export function planRoutes(app: Api, house: ApiHouse, submit: Submit): void {
  app.openapi(make, async (c) => {
    const { documents } = readDocuments(c.req.valid('json'), house.clock.now())
    await checkNames(house, documents)
    return c.json(planView(house, await makePlan(house, documents)), 201)
  })

  app.openapi(get, async (c) => c.json(planView(house, await findPlan(house, c.req.valid('param').plan)), 200))

  app.openapi(apply, async (c) => {
    const plan = await findPlan(house, c.req.valid('param').plan)
    const documents = submissionOf(plan)?.documents ?? []
    const planned = plannedWorkloads(house, plan.id, documents)
    const made = await madeBefore(house, planned)
    if (made) {
      // Cut off before it answered, or applied twice: either way it is done, once.
      await house.store.plans.applied(plan.id, house.clock.now())
      return c.json({ workloads: made.map(workloadView) }, 201)
    }
    refuseExpired(plan, house.clock.now())
    refuseLate(plan, documents, house.clock.now())
    await checkNames(house, documents)
    const { maxCostMicros } = c.req.valid('query')
    const workloads = maxCostMicros === undefined ? planned : withinCost(planned, plan.decisions, maxCostMicros)
    const decisions = await decideAgain(house, workloads)
    refuseHopeless(workloads, plan.decisions, decisions)
    const difference = differenceOf(plan, workloads, decisions)
    if (difference.length > 0)
      throw new Problem('plan-changed', `The plan ${plan.id} does not hold any more.`, {
        difference,
        next: ['isobar plan <file>'],
      })
    const rows = await submit(workloads).catch(async (error: unknown) => {
      // Somebody else, or the same request at another control plane, may have applied it this moment.
      const others = await madeBefore(house, planned)
      if (!others) throw error
      return others
    })
    await house.store.plans.applied(plan.id, house.clock.now())
    return c.json({ workloads: rows.map(workloadView) }, 201)
  })
}

async function findPlan(house: ApiHouse, id: string): Promise<StoredPlan> {
  const plan = await house.store.plans.get(id)
  if (plan && submissionOf(plan)) return plan
  throw notFound(
    `There is no plan "${id}"; a plan that was not applied is forgotten after a while.`,
    'isobar plan <file>',
  )
}

/** Refuses a plan of what could have made its deadline, or was to wait, and can only fail by now. */
function refuseLate({ id }: StoredPlan, documents: Document[], now: number): void {
  const difference = documents.flatMap(({ spec: { name, deadline } }) =>
    deadline !== undefined && deadline <= now ? [`${name}: its deadline of ${formatInstant(deadline)} is past.`] : [],
  )
  if (difference.length === 0) return
  throw new Problem('plan-changed', `The plan ${id} does not hold any more.`, {
    difference,
    next: ['isobar plan <file> (with a later deadline in it)'],
  })
}

function refuseExpired({ id, expiresAt }: StoredPlan, now: number): void {
  if (expiresAt === null || now < expiresAt) return
  throw new Problem('plan-expired', `The plan ${id} expired at ${time(expiresAt)}.`, { next: ['isobar plan <file>'] })
}
