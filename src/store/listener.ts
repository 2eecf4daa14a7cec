import { setTimeout as pause } from 'node:timers/promises'

import { Client } from 'pg'

import { allNudges, channel, readNudges } from './queries/nudge.ts'
import type { Store } from './store.ts'

export type Listener = { on: Store['onNudge']; close(): Promise<void> }

type Told = Parameters<Parameters<Store['onNudge']>[0]>

/** How often the server is asked whether it is there, and how long it may take to say so. */
export const pulse = { everyMs: 10_000, mostMs: 5_000 }

/**
 * Hears the nudges of all control planes on a connection of its own. Whenever that breaks it connects again, and then
 * nudges every loop, since it may have missed some. Who only listens would never learn that the network forgot it: so it
 * asks now and then.
 */
export async function listen(url: string, every: typeof pulse = pulse): Promise<Listener> {
  const listeners = new Set<(...told: Told) => void>()
  const closing = new AbortController()
  const tell = (...told: Told): void => {
    for (const listener of listeners) listener(...told)
  }
  let client = await connect(url, tell, every)
  const keep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await client.ended
      // What happens from now on is missed.
      if (!closing.signal.aborted) tell('admit', [])
      for (let wait = 50; !closing.signal.aborted; wait = Math.min(2000, wait * 2)) {
        const next = await connect(url, tell, every).catch(() => null)
        if (next) {
          client = next
          for (const nudge of allNudges) tell(nudge, [])
          break
        }
        await pause(wait, undefined, { signal: closing.signal }).catch(() => {}) // closing
      }
    }
  }
  const kept = keep()
  return {
    on(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      closing.abort()
      listeners.clear()
      await client.end()
      await kept
    },
  }
}

type Connection = { ended: Promise<void>; end(): Promise<void> }

async function connect(url: string, tell: (...told: Told) => void, every: typeof pulse): Promise<Connection> {
  const client = new Client({
    connectionString: url,
    application_name: 'isobar nudges',
    connectionTimeoutMillis: 5000,
    keepAlive: true,
  })
  const ended = new Promise<void>((resolve) => {
    client.once('end', resolve)
    client.on('error', () => resolve())
  })
  client.on('notification', ({ payload }) => {
    for (const { nudge, ids } of readNudges(payload ?? '')) tell(nudge, ids)
  })
  try {
    await client.connect()
    await client.query(`listen ${channel}`)
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  const end = () => client.end().catch(() => {})
  const beating = setInterval(() => {
    const silent = setTimeout(end, every.mostMs)
    void client
      .query('select 1')
      .catch(() => {}) // it has ended, and tells so itself
      .finally(() => clearTimeout(silent))
  }, every.everyMs)
  void ended.then(() => clearInterval(beating))
  return { ended, end }
}
