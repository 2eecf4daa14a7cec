import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import { z } from 'zod'

import type { ApiEnv } from './house.ts'
import { onlyKnown } from './known-query.ts'
import { ofIssues } from './problem.ts'
import { ProblemView } from './views.ts'

export type Api = OpenAPIHono<ApiEnv>

/** A router whose routes take what they describe: what does not fit a schema, or has none in the query, is refused. */
export function createRouter(): Api {
  const router = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw ofIssues(result.target, result.error)
    },
  })
  const register: (route: RouteConfig, ...rest: never[]) => typeof router = router.openapi
  const strict: typeof register = ({ middleware = [], ...route }, ...rest) => {
    const before = route.path.startsWith('/v1/') ? [onlyKnown(route)] : []
    return register({ ...route, middleware: [...before, ...[middleware].flat()] }, ...rest)
  }
  return Object.assign(router, { openapi: strict })
}

const problem = {
  description: 'What went wrong, and what to do about it.',
  content: { 'application/problem+json': { schema: ProblemView } },
} as const

/** The answers of a route: one on success, and problems. */
export const answers = <S extends 200 | 201, T extends z.ZodType>(status: S, schema: T, description: string) =>
  ({
    [status]: { description, content: { 'application/json': { schema } } },
    '4XX': problem,
    '5XX': problem,
  }) as Record<S, { description: string; content: { 'application/json': { schema: T } } }>

/** The answers of a route that sends something else than JSON, or nothing. */
export const bareAnswer = (description: string, type?: string) => ({
  200: type ? { description, content: { [type]: { schema: z.string() } } } : { description },
  '4XX': problem,
  '5XX': problem,
})

export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  required: true as const,
  content: { 'application/json': { schema } },
})

export function describe(app: Api, version: string) {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Isobar',
      version,
      description:
        'The control plane for AI workloads across clouds. All requests carry `Authorization: Bearer <token>`.',
    },
    security: [{ token: [] }],
  })
  return withNulls(document) as typeof document
}

/** The generator writes "this or null" of a named schema as both at once, which nothing fits: mend that. */
function withNulls(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withNulls)
  if (typeof node !== 'object' || node === null) return node
  const mended = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withNulls(value)]))
  const { allOf, ...rest } = mended
  const both = z.tuple([z.looseObject({ $ref: z.string() }), NullableType]).safeParse(allOf)
  if (!both.success) return mended
  const [named, { type: _type, ...described }] = both.data
  return { ...rest, ...described, anyOf: [named, { type: 'null' }] }
}

const NullableType = z.looseObject({ type: z.array(z.string()).refine((types) => types.includes('null')) })
