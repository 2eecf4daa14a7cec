import { detailOf } from '#cli/demo/look.ts'
import { type Gateway, openGateway } from '#gateway/gateway.ts'
import type { Servers } from './servers.ts'

/** The service of the story, as those see it who use it. */
export type Service = {
  /** The attempt that answers a request through the gateway; null where none does. */
  answers(): Promise<number | null>
  /** Takes down where its replica is reached now. */
  remember(): Promise<void>
  /** How many of the replicas taken down so far, asked by themselves, still answer. */
  olderThatAnswer(): Promise<number>
  close(): Promise<void>
}

export async function openService({ api, token }: Servers, name: string): Promise<Service> {
  const gateway: Gateway = await openGateway({ server: api.url, token, host: '127.0.0.1', port: 0, everyMs: 100 })
  const older = new Map<string, number>()
  return {
    answers: () => attemptAt(`${gateway.url}/default/${name}/`),
    async remember() {
      const attempt = await attemptAt(`${gateway.url}/default/${name}/`)
      for (const endpoint of (await detailOf(api, name)).endpoints) if (attempt !== null) older.set(endpoint, attempt)
    },
    async olderThatAnswer() {
      const asked = [...older].map(async ([endpoint, attempt]) => (await attemptAt(`http://${endpoint}/`)) === attempt)
      return (await Promise.all(asked)).filter(Boolean).length
    },
    close: () => gateway.close(),
  }
}

async function attemptAt(url: string): Promise<number | null> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(2000) })
    const text = await reply.text()
    return reply.ok ? Number(text) : null
  } catch {
    return null
  }
}
