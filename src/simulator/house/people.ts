import type { Clock } from '#kit/clock.ts'
import type { Network } from './network.ts'

/** Asks over the API as people do, of whoever answers, again where that is safe; null when nobody does for long. */
export type Ask = (method: string, path: string, body?: unknown) => Promise<{ status: number; json: unknown } | null>

/** How often people asked for something to be changed, and how often they tried to have something planned, so far. */
export type Asks = { changes: number; plans: number }

type Options = { clock: Clock; network: Network; token: string; asks: Asks }

/** How long one try may take, and how often one tries. */
const tryMs = 10_000
const mostTries = 30
const pauseMs = 2_000

export function createAsk({ clock, network, token, asks }: Options): Ask {
  let key = 0
  return async (method, path, body) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(method === 'POST' && { 'idempotency-key': `people-${++key}` }),
    }
    if (method === 'POST') asks.changes++
    for (let tries = 0; tries < mostTries; tries++) {
      if (path === '/v1/plans') asks.plans++
      const urls = network.urls()
      const url = urls[(key + tries) % urls.length]
      const answer = url === undefined ? null : await once(`${url}${path}`, { method, headers, ...bodyOf(body) })
      if (answer && answer.status < 500 && answer.status !== 409 && answer.status !== 429) return answer
      if (answer?.status === 409 && !isRetryable(answer.json)) return answer
      await clock.sleep(pauseMs)
    }
    return null
  }

  async function once(url: string, init: RequestInit): Promise<{ status: number; json: unknown } | null> {
    const answered = new AbortController()
    const late = clock.sleep(tryMs, answered.signal).then(() => null)
    const answer = network.fetch(url, { ...init, from: 'people' }).then(
      async (response) => ({ status: response.status, json: await jsonOf(response) }),
      () => null,
    )
    const first = await Promise.race([answer, late])
    answered.abort()
    return first
  }
}

const bodyOf = (body: unknown): { body?: string } => (body === undefined ? {} : { body: JSON.stringify(body) })

const isRetryable = (json: unknown): boolean =>
  typeof json === 'object' && json !== null && 'retryable' in json && json.retryable === true

/** What was answered; null where that is nothing, or no JSON. */
async function jsonOf(response: Response): Promise<unknown> {
  const text = await response.text()
  return response.headers.get('content-type')?.includes('json') && text !== '' ? (JSON.parse(text) as unknown) : null
}
