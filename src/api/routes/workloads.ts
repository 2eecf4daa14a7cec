import { createRoute } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { z } from 'zod'

import { Name } from '#model/names.ts'
import { WorkloadState, type Wants, type Workload } from '#model/workload.ts'
import type { ListedWorkload, WorkloadFilter } from '#store/store.ts'
import { readDocuments, refuseLate } from '#api/documents.ts'
import { dryRunQuery } from '#api/dry-run.ts'
import { ended, findWorkload, hasEnded, projectQuery, workloadParams } from '#api/find.ts'
import type { ApiEnv, ApiHouse } from '#api/house.ts'
import { seedOf } from '#api/idempotency.ts'
import { answers, jsonBody, type Api } from '#api/openapi.ts'
import { nextPageToken, orderQuery, pageQuery, readPage } from '#api/pages.ts'
import { Problem } from '#api/problem.ts'
import { withReach } from '#api/reach.ts'
import { workloadDetail, workloadView } from '#api/show-workload.ts'
import { checkNames, madeBefore, newWorkloads, type Submit } from '#api/submit.ts'
import { matchHeader, requireMatch, tagged, workloadTag } from '#api/tags.ts'
import { PriorityRequest, SpecRequest, SubmittedView, WorkloadDetail, WorkloadPage, WorkloadView } from '#api/views.ts'

const tags = ['workloads']

const submit = createRoute({
  method: 'post',
  path: '/v1/workloads',
  tags,
  summary: 'Submit the documents of a spec file without a plan: all of them, or none.',
  request: { query: z.object(dryRunQuery), body: jsonBody(SpecRequest) },
  responses: answers(201, SubmittedView, 'One workload for each document, in their order.'),
})

const stateQuery = z
  .string()
  .max(200)
  .default('active')
  .meta({ description: '`active`, `ended`, `all`, or states with commas between.' })

const list = createRoute({
  method: 'get',
  path: '/v1/workloads',
  tags,
  summary: 'List workloads, newest first unless told otherwise.',
  request: {
    query: z.object({
      ...pageQuery,
      ...orderQuery,
      state: stateQuery,
      project: Name.optional(),
      kind: z.enum(['job', 'service', 'array']).optional(),
      name: Name.optional(),
      label: z
        .string()
        .max(264)
        .regex(/^[^=]{1,63}=/, 'must be key=value')
        .optional()
        .meta({ description: '`key=value`' }),
    }),
  },
  responses: answers(200, WorkloadPage, 'A page of workloads.'),
})

const get = createRoute({
  method: 'get',
  path: '/v1/workloads/{workload}',
  tags,
  summary: 'All that is known of one workload.',
  request: { params: workloadParams, query: z.object(projectQuery) },
  responses: tagged(answers(200, WorkloadDetail, 'The workload.')),
})

const changeRequest = {
  params: workloadParams,
  query: z.object({ ...projectQuery, ...dryRunQuery }),
  headers: matchHeader,
}

const wanting = (verb: string, summary: string) =>
  createRoute({
    method: 'post',
    path: `/v1/workloads/{workload}/${verb}`,
    tags,
    summary,
    request: changeRequest,
    responses: tagged(answers(200, WorkloadView, 'The workload as it is now; the loops close the gap.')),
  })

const verbs = [
  ['stop', 'stop', 'End it: SIGTERM, its grace time, SIGKILL.'],
  ['hold', 'hold', 'Keep it out of the queue until it is released.'],
  ['release', 'run', 'Back into the queue.'],
] as const satisfies [verb: string, wants: Wants, summary: string][]

const priority = createRoute({
  method: 'put',
  path: '/v1/workloads/{workload}/priority',
  tags,
  summary: 'Change its place in the queue.',
  request: { ...changeRequest, body: jsonBody(PriorityRequest) },
  responses: tagged(answers(200, WorkloadView, 'The workload.')),
})

/** Tasks that failed, told with their workload. */
const mostFailedTasks = 20

export function workloadRoutes(app: Api, house: ApiHouse, submitAll: Submit): void {
  app.openapi(submit, async (c) => {
    const seed = seedOf(c.req.header('idempotency-key'), c.req.path)
    const request = c.req.valid('json')
    const { documents } = readDocuments(request)
    const workloads = newWorkloads(house, documents, seed)
    const made = seed === null ? null : await madeBefore(house, workloads)
    if (made) return c.json({ workloads: made.map(workloadView) }, 201)
    refuseLate(request, documents, house.clock.now())
    await checkNames(house, documents)
    const rows = await submitAll(workloads).catch(async (error: unknown) => {
      // Another control plane may have done the same request in this moment.
      const theirs = seed === null ? null : await madeBefore(house, workloads).catch(() => null)
      if (theirs) return theirs
      throw error
    })
    return c.json({ workloads: rows.map(workloadView) }, 201)
  })

  app.openapi(list, async (c) => {
    const query = c.req.valid('query')
    const page = readPage(query)
    const rows = await house.store.workloads.list(filterOf(query), page)
    return c.json({ items: await withEndpoints(house, rows), nextPageToken: nextPageToken(rows, page) }, 200)
  })

  app.openapi(get, async (c) => {
    const row = await findWorkload(house, c.req.valid('param').workload, c.req.valid('query').project)
    const attempts = await house.store.workloads.attempts(row.id)
    const detail = workloadDetail(row, attempts, house.clock.now())
    const failedTasks = row.tasks?.failed ? await house.store.workloads.failedTasks(row.id, mostFailedTasks) : []
    const conditions = withReach(detail.conditions, attempts, await house.store.sites.list())
    c.header('ETag', workloadTag(row))
    return c.json({ ...detail, conditions, failedTasks }, 200)
  })

  const by = (check: (row: Workload) => void) => ({ who: house.self.user, now: house.clock.now(), check })

  for (const [verb, wants, summary] of verbs)
    app.openapi(wanting(verb, summary), async (c) => {
      const row = await findWorkload(house, c.req.valid('param').workload, c.req.valid('query').project)
      const asked = by((present) => {
        if (!hasEnded(present) || wants !== 'stop') refuseMove(present, wants)
        requireSame(c.req.valid('header'), present)
      })
      const changed = await house.store.workloads.want(row.id, wants, asked)
      return told(c, changed ?? (await house.store.workloads.get(row.id)) ?? row)
    })

  app.openapi(priority, async (c) => {
    const row = await findWorkload(house, c.req.valid('param').workload, c.req.valid('query').project)
    const asked = by((present) => {
      refuseEnded(present, 'isobar ps')
      requireSame(c.req.valid('header'), present)
    })
    const changed = await house.store.workloads.prioritise(row.id, c.req.valid('json').priority, asked)
    return told(c, changed ?? (await house.store.workloads.get(row.id)) ?? row)
  })
}

function told(c: Context<ApiEnv>, row: ListedWorkload) {
  c.header('ETag', workloadTag(row))
  return c.json(workloadView(row), 200)
}

const requireSame = (asked: z.output<typeof matchHeader>, row: Workload): void =>
  requireMatch(asked, workloadTag(row), { name: `"${row.name}"`, look: `isobar describe ${row.id}` })

function refuseEnded({ name, state }: Workload, next: string): void {
  if (hasEnded({ state })) throw new Problem('conflict', `"${name}" has ended (${state}).`, { next: [next] })
}

function refuseMove(row: Workload, wants: Wants): void {
  refuseEnded(row, `isobar describe ${row.id}`)
  if (row.wants === 'stop' && wants !== 'stop')
    throw new Problem('conflict', `"${row.name}" is being stopped already.`, { next: [`isobar wait ${row.id}`] })
}

type ListQuery = { state: string; project?: string; kind?: string; name?: string; label?: string }

function filterOf({ state, label, ...rest }: { [K in keyof ListQuery]: ListQuery[K] | undefined }): WorkloadFilter {
  const filter: WorkloadFilter = {}
  if (rest.project !== undefined) filter.project = rest.project
  if (rest.kind !== undefined) filter.kind = rest.kind
  if (rest.name !== undefined) filter.name = rest.name
  if (label !== undefined) {
    const at = label.indexOf('=')
    filter.label = [label.slice(0, at), label.slice(at + 1)]
  }
  if (state !== undefined && state !== 'all') filter.states = statesOf(state)
  return filter
}

function statesOf(text: string): WorkloadState[] {
  if (text === 'ended') return [...ended]
  if (text === 'active') return WorkloadState.options.filter((state) => !hasEnded({ state }))
  const states = z.array(WorkloadState).safeParse(text.split(','))
  if (states.success) return states.data
  throw new Problem(
    'usage',
    `"${text}" is not a state; there are active, ended, all, ${WorkloadState.options.join(', ')}.`,
    {
      next: ['isobar ps --all'],
    },
  )
}

const isServed = ({ kind, ready }: ListedWorkload): boolean => kind === 'service' && ready > 0
const keyOf = ({ project, name }: { project: string; name: string }): string => `${project}/${name}`

/** The rows of a page, those of services with where their ready replicas are reached: one question for all of them. */
async function withEndpoints(house: ApiHouse, rows: ListedWorkload[]): Promise<WorkloadView[]> {
  const services = rows.some(isServed) ? await house.store.workloads.endpoints() : []
  const known = new Map(services.map((service) => [keyOf(service), service.endpoints]))
  return rows.map((row) => ({ ...workloadView(row), endpoints: isServed(row) ? (known.get(keyOf(row)) ?? []) : [] }))
}
