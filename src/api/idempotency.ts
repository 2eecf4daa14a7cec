import { createHash } from 'node:crypto'

import type { MiddlewareHandler } from 'hono'

import type { ApiEnv, ApiHouse } from './house.ts'
import { Problem } from './problem.ts'

const keyPattern = /^[\x21-\x7e]{1,200}$/

/**
 * A POST with an `Idempotency-Key` is done once: the same key with the same query and body gets the first answer again.
 * Only answers of success are kept. A key whose first request is neither answered nor in work here was cut off by a crash:
 * it is done again, which is safe because every POST derives what it creates from its key (`seedOf`).
 */
export function idempotency(house: ApiHouse): MiddlewareHandler<ApiEnv> {
  const inWork = new Set<string>()
  return async (c, next) => {
    const given = c.req.header('idempotency-key')
    if (given === undefined || c.req.method !== 'POST' || !c.req.path.startsWith('/v1/')) return next()
    if (!keyPattern.test(given))
      throw new Problem('usage', 'Idempotency-Key must be 1 to 200 visible ASCII characters.')
    const key = `${c.req.path} ${given}`
    const { search } = new URL(c.req.url)
    const body = await c.req.text()
    const request = createHash('sha256')
      .update(search === '' ? body : `${search}\n${body}`)
      .digest('hex')
    const first = await house.store.idempotency.begin(key, request, house.clock.now())
    if (first === 'mismatch')
      throw new Problem('conflict', `The Idempotency-Key ${given} was used for another request before.`)
    if (typeof first === 'object') {
      c.header('Idempotency-Replayed', 'true')
      return c.json(first.response, first.status as 200) // what was saved below: a status of success
    }
    if (inWork.has(key))
      throw new Problem('conflict', 'The first request with this Idempotency-Key is still in work.', {
        retryable: true,
        next: ['isobar ps'],
      })
    inWork.add(key)
    try {
      await next()
      await keep(house, key, c.res)
    } finally {
      inWork.delete(key)
    }
  }
}

async function keep(house: ApiHouse, key: string, response: Response): Promise<void> {
  if (!response.ok || !response.headers.get('content-type')?.startsWith('application/json'))
    return house.store.idempotency.forget(key)
  await house.store.idempotency.save(key, response.status, await response.clone().json())
}

/** What the ids of everything that a request creates are derived from, if it may be repeated. */
export const seedOf = (key: string | undefined, path: string): string | null => (key ? `${path} ${key}` : null)
