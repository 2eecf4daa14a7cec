import type { RouteConfig } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { Problem } from './problem.ts'

/**
 * Refuses parameters that the query of a route does not name: a filter that is misspelt would give everything, and what
 * was meant to hold something back would not.
 */
export function onlyKnown({ method, request }: RouteConfig): MiddlewareHandler {
  const known = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape).sort() : []
  return async (c, next) => {
    const unknown = c.req.url.includes('?') && Object.keys(c.req.queries()).find((name) => !known.includes(name))
    if (typeof unknown === 'string') throw unknownParameter(unknown, { known, method, path: c.req.path })
    await next()
  }
}

/** Longer names are cut where they are repeated. */
const mostSaid = 64

type Place = { known: string[]; method: string; path: string }

function unknownParameter(name: string, { known, method, path }: Place): Problem {
  const near = didYouMean(name.slice(0, mostSaid), known)
  const these = known.length > 0 ? `It takes ${known.join(', ')}.` : 'It takes none.'
  const meant = near === undefined ? '' : ` Did you mean ${near}?`
  const call = method === 'get' ? 'isobar api' : `isobar api ${method}`
  return new Problem(
    'usage',
    `${method.toUpperCase()} ${path} has no query parameter ${JSON.stringify(name.slice(0, mostSaid))}. ${these}${meant}`,
    { next: [near === undefined ? 'isobar api openapi.json' : `${call} '${path.slice(1)}?${near}=…'`] },
  )
}
