import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'

import { quoted } from '#kit/quoted.ts'
import { sameText } from '#kit/seal.ts'
import type { ApiEnv, ApiHouse } from './house.ts'
import { Problem } from './problem.ts'

/** Most bytes of a JSON body; a spec's text of 10 MB may be longer once it is quoted. */
const mostJson = 1024 * 1024
const mostSpec = 32 * 1024 * 1024
const takesSpecs = new Set(['/v1/validate', '/v1/plans', '/v1/workloads'])
/** Paths whose bodies are bounded while they are streamed. */
const streams = /^\/v1\/(bundles|secrets)\//

const open = new Set(['/', '/healthz', '/readyz', '/openapi.json', '/docs'])
const ownCredential = /^\/(agent\/v1|blobs)\//

const localName = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d{1,5})?$/i

/** Refuses what no route should see, before a byte of a body is read. */
export const guard =
  (house: ApiHouse): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    if (house.closing.aborted) {
      // Whoever keeps a connection alive must let go of it, and agents dial another control plane or wait for the next.
      c.header('Connection', 'close')
      throw new Problem('unavailable', 'This server is ending; what runs goes on.', { next: ['isobar server start'] })
    }
    if (house.self.loopback && !localName.test(c.req.header('host') ?? ''))
      throw new Problem('forbidden', 'This server answers only to names of its own machine, such as 127.0.0.1.')
    if (c.req.url.includes('%00')) throw new Problem('usage', 'The address must not hold a zero byte.')
    const path = c.req.path
    if (!open.has(path) && !ownCredential.test(path)) authenticate(house, c.req.header('authorization') ?? '')
    await next()
  }

function authenticate({ keys, self: { tokenFile } }: ApiHouse, header: string): void {
  if (sameText(header, `Bearer ${keys.token}`)) return
  const what = header === '' ? 'The request carries no token.' : 'The token is not the one of this server.'
  const where = tokenFile === null ? 'the one that the server was started with' : `in ${tokenFile}`
  const token = tokenFile === null ? '<token>' : `"$(cat ${quoted(tokenFile)})"`
  throw new Problem('unauthenticated', `${what} It is ${where}.`, {
    next: [`export ISOBAR_TOKEN=${token}`, 'unset ISOBAR_TOKEN (for the server of this machine)'],
  })
}

const refuse = () => {
  throw new Problem('too-large', 'The body is larger than allowed here.')
}
const limitChunked = { json: limit(mostJson), spec: limit(mostSpec) }
function limit(maxSize: number): MiddlewareHandler {
  return bodyLimit({ maxSize, onError: refuse })
}

/** Bounds the size of a body. One that says its length is judged by that, since Node's parser holds it to its word. */
export const boundBody: MiddlewareHandler = async (c, next) => {
  if (c.req.method === 'GET' || streams.test(c.req.path)) return next()
  const kind = takesSpecs.has(c.req.path) ? 'spec' : 'json'
  if (c.req.header('transfer-encoding') !== undefined) return limitChunked[kind](c, next)
  if (Number(c.req.header('content-length') ?? 0) > (kind === 'spec' ? mostSpec : mostJson)) refuse()
  return next()
}
