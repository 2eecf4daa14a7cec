import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'

import { StoreFull } from '#store/store-unavailable.ts'
import type { ProblemCode, ProblemView } from './views.ts'

const kinds = {
  usage: [400, 'The request is not right'],
  'invalid-spec': [422, 'The spec is not right'],
  'not-found': [404, 'There is no such thing'],
  unauthenticated: [401, 'Who are you?'],
  forbidden: [403, 'Not allowed'],
  conflict: [409, 'It is not so any more'],
  changed: [412, 'It was changed meanwhile'],
  'plan-changed': [409, 'The plan does not hold any more'],
  'plan-expired': [410, 'The plan has expired'],
  'no-capacity': [409, 'No capacity'],
  'over-budget': [409, 'Over budget'],
  policy: [409, 'Against the policy'],
  'still-running': [408, 'Not yet'],
  'too-large': [413, 'Too large'],
  'too-many': [429, 'Too many requests'],
  unavailable: [503, 'Not available now'],
  internal: [500, 'A fault of ours'],
} as const satisfies Record<ProblemCode, [ContentfulStatusCode, string]>

const retryable = new Set<ProblemCode>(['still-running', 'too-many', 'unavailable', 'internal'])

type Extra = Partial<Pick<ProblemView, 'next' | 'retryable' | 'problems' | 'difference'>>

/** An expected failure of a request, thrown by a route and answered in one place, as RFC 9457 has it. */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly extra: Extra

  constructor(code: ProblemCode, detail: string, extra: Extra = {}) {
    super(detail)
    this.name = 'Problem'
    this.code = code
    this.extra = extra
  }
}

/** What a request that asks for something missing is told. */
export const notFound = (what: string, ...next: string[]): Problem => new Problem('not-found', what, { next })

/** The problem that stands for whatever was thrown. What is not expected is `internal`, and tells nothing of itself. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof HTTPException) return ofHttp(thrown)
  if (thrown instanceof StoreFull)
    return new Problem('unavailable', 'The disk of the database is full: nothing can be written; what runs goes on.', {
      next: ['isobar doctor (names what to clear)'],
    })
  if (thrown instanceof Error && thrown.name === 'StoreUnavailable')
    return new Problem('unavailable', 'The database does not answer at the moment; what runs goes on.', {
      next: ['isobar doctor'],
    })
  return new Problem('internal', 'Something went wrong that should not have; the log of the server has it.', {
    next: ['isobar doctor'],
  })
}

function ofHttp(thrown: HTTPException): Problem {
  if (thrown.status === 413) return new Problem('too-large', 'The body is larger than allowed here.')
  if (thrown.status === 415)
    return new Problem('usage', 'The body must be sent with Content-Type: application/json.', { next: ['isobar api'] })
  return new Problem('usage', thrown.message || 'The request could not be read.')
}

/** What a body or parameter that does not fit its schema is told: each place and what is wrong there. */
export function ofIssues(target: string, error: z.core.$ZodError): Problem {
  const places = error.issues.slice(0, 5).map((issue) => {
    const path = issue.path.map(String).join('.')
    return `${target === 'json' ? 'body' : target}${path ? ` ${path}` : ''}: ${issue.message}`
  })
  const more = error.issues.length - places.length
  return new Problem('usage', `${places.join('; ')}${more > 0 ? `; and ${more} more` : ''}`.slice(0, 2000), {
    next: ['isobar api openapi.json'],
  })
}

/** The response that tells of a problem. */
export function answerProblem(c: Context, problem: Problem): Response {
  const [status, title] = kinds[problem.code]
  const requestId: string = c.get('requestId') ?? ''
  const view: ProblemView = {
    type: `urn:isobar:problem:${problem.code}`,
    title,
    status,
    detail: problem.message,
    code: problem.code,
    next: [],
    requestId,
    retryable: retryable.has(problem.code),
    ...problem.extra,
  }
  c.header('Content-Type', 'application/problem+json')
  if (status === 401) c.header('WWW-Authenticate', 'Bearer')
  if (status === 429 || status === 503) c.header('Retry-After', '1')
  return c.body(JSON.stringify(view), status)
}
