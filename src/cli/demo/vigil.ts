import { setTimeout as sleep } from 'node:timers/promises'

import type { Api } from '#cli/client.ts'
import { openGateway } from '#gateway/gateway.ts'
import { detailOf } from './look.ts'

/** What was seen of the service while it was watched. */
export type Watched = {
  /** Requests through the gateway, and those that were not answered with 200. */
  requests: number
  failed: number
  /** The fewest replicas that answered at a moment when `possible` of them could have. */
  fewest: { answering: number; possible: number }
}

export type Vigil = {
  /** So many replicas can answer from now on. */
  expect(possible: number): void
  end(): Promise<Watched>
}

/**
 * Watches a service from outside: asks every replica that the control plane calls ready, and sends a request through the
 * gateway, ten times a second.
 */
export async function watchService(
  api: Api,
  options: { name: string; token: string; possible: number },
): Promise<Vigil> {
  const gateway = await openGateway({ server: api.url, token: options.token, host: '127.0.0.1', port: 0, everyMs: 100 })
  let possible = options.possible
  const seen: Watched = { requests: 0, failed: 0, fewest: { answering: possible, possible } }
  const over = new AbortController()
  const turn = async (): Promise<void> => {
    const couldBe = possible
    const { endpoints } = await detailOf(api, options.name)
    const answers = await Promise.all(endpoints.map((endpoint) => answering(`http://${endpoint}/`)))
    const count = answers.filter(Boolean).length
    // A replica that was lost while we asked is no fault of the service: only a moment without a change counts.
    const short = couldBe - count
    const worst = seen.fewest.possible - seen.fewest.answering
    if (couldBe === possible && (short > worst || (short === worst && count < seen.fewest.answering)))
      seen.fewest = { answering: count, possible: couldBe }
    seen.requests++
    if (!(await answering(`${gateway.url}/default/${options.name}/`))) seen.failed++
  }
  const watching = (async () => {
    while (!over.signal.aborted) {
      await turn()
      await sleep(100)
    }
  })()
  watching.catch(() => undefined) // told at the end; until then the demo may fail for a reason of its own
  return {
    expect: (count) => void (possible = count),
    async end() {
      over.abort()
      await watching
      await gateway.close()
      return seen
    },
  }
}

async function answering(url: string): Promise<boolean> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(2000) })
    await reply.arrayBuffer()
    return reply.ok
  } catch {
    return false
  }
}
