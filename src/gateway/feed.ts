import { request } from 'undici'

import type { Clock } from '#kit/clock.ts'

/** Ready endpoints by `project/service`. */
export type Table = Map<string, string[]>

export type Feed = { server: string; token: string; clock: Clock; everyMs: number }

type Listed = { items: { project: string; name: string; endpoints: string[] }[] }

/**
 * Reads the table from the control plane again and again. While the control plane is away the last table stands: the
 * gateway goes on with what it knows.
 */
export async function followTable(feed: Feed, take: (table: Table) => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const table = await readTable(feed, signal).catch(() => null)
    if (table) take(table)
    await feed.clock.sleep(feed.everyMs, signal)
  }
}

async function readTable({ server, token }: Feed, signal: AbortSignal): Promise<Table> {
  const address = new URL('/v1/endpoints', server)
  const reply = await request(address, { headers: { authorization: `Bearer ${token}` }, signal })
  if (reply.statusCode !== 200) {
    await reply.body.dump()
    throw new Error(`The control plane answered ${reply.statusCode}`)
  }
  const { items } = (await reply.body.json()) as Listed // our own control plane, of our own version
  return new Map(items.map(({ project, name, endpoints }) => [`${project}/${name}`, endpoints]))
}
