import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'

import type { ApiEnv } from './house.ts'
import { createRouter, type Api } from './openapi.ts'
import { Problem } from './problem.ts'

/** The query of every request that can be tried without being done. */
export const dryRunQuery = {
  dryRun: z
    .literal('all')
    .optional()
    .meta({ description: 'With `all` everything is checked and answered as it would be, and nothing is kept.' }),
}

/** Any spelling of it that could be meant so: what is taken for a rehearsal must not be the real thing. */
const alike = /^dry[-_]?run$/i

/**
 * Requests with `?dryRun=all` go to routes of their own, which are the same over a store where nothing stays. `register`
 * makes them, when the first comes; a request for which there are none cannot be tried.
 */
export function dryRuns(register: (routes: Api) => void): MiddlewareHandler<ApiEnv> {
  const make = () => {
    const routes = createRouter()
    register(routes)
    routes.notFound((c) => {
      throw new Problem('usage', `${c.req.method} ${c.req.path} cannot be tried with dryRun, only done.`, {
        next: ['isobar api openapi.json'],
      })
    })
    // The routes in front of these answer for all that is thrown.
    routes.onError((error) => {
      throw error
    })
    return routes
  }
  let routes: Api | undefined
  return async (c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
    const asked = Object.entries(c.req.queries()).filter(([name]) => alike.test(name))
    if (asked.length === 0) return next()
    const wrong = asked.find(([name, values]) => name !== 'dryRun' || values.some((value) => value !== 'all'))
    if (wrong)
      throw new Problem('usage', `${wrong[0]}=${wrong[1].join()} is not known: nothing was tried, and nothing done.`, {
        next: [`isobar api ${c.req.method.toLowerCase()} '${c.req.path.slice(1)}?dryRun=all'`],
      })
    routes ??= make()
    const answer = await routes.fetch(c.req.raw)
    return c.newResponse(answer.body, answer)
  }
}
