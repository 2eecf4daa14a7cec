import { Client, type PoolClient } from 'pg'

import { codeOf } from './store-unavailable.ts'

export type Silence = {
  /** How long a query may go unanswered whatever it does; longer than any statement may run. */
  mostMs: number
  /** From when on, and how often, it is asked over another connection whether the server is still at it. */
  askMs: number
  /** Whether the backend with this process id is at work; true where nobody can say. */
  isAtWork(pid: number): Promise<boolean>
}

/**
 * Makes a connection break that is no good any more although nobody said so. One leads to a server that became a standby.
 * Over another a query is not answered: a network that forgets a connection tells nobody, and what was asked would wait
 * for as long as TCP tries, a quarter of an hour. So after some seconds the server is asked by another way whether it is
 * at work on it; where it is not, it never heard the question, or its answer was lost. A transaction that lifts the bound
 * of its statements (`set local statement_timeout`) lifts the longest wait as well.
 */
export function breakOff(client: PoolClient, silence: Silence): void {
  const query: (...asked: unknown[]) => Promise<unknown> = client.query.bind(client)
  let isLifted = false
  // An end by itself would wait for the answers to what was sent.
  const end = () => {
    if (!(client instanceof Client)) return
    void client.end()
    client.connection.stream.destroy()
  }
  async function bounded(...asked: unknown[]): Promise<unknown> {
    const [first] = asked
    const text = typeof first === 'string' ? first : ''
    if (text.startsWith('set local statement_timeout')) isLifted = true
    if (/^(commit|rollback)$/.test(text)) isLifted = false
    const stop = watch(pidOf(client), { ...silence, mostMs: isLifted ? Infinity : silence.mostMs }, end)
    try {
      return await query(...asked)
    } catch (error) {
      if (codeOf(error) === '25006') end()
      throw error
    } finally {
      stop()
    }
  }
  client.query = bounded as PoolClient['query'] // of its many forms the one that gives a promise is all that we use
}

/** Ends a connection whose query is waited for in vain, unless it is stopped before. */
function watch(pid: number | null, { mostMs, askMs, isAtWork }: Silence, end: () => void): () => void {
  let isOver = false
  const began = performance.now()
  let timer = setTimeout(ask, Math.min(askMs, mostMs))
  async function ask(): Promise<void> {
    const isWaiting = performance.now() - began < mostMs && (pid === null || (await isAtWork(pid)))
    if (isOver) return
    if (isWaiting) timer = setTimeout(ask, Math.min(askMs, Math.max(0, mostMs - (performance.now() - began))))
    else end()
  }
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

/** The process id that the server told with the start of a connection; pg does not show it in its types. */
function pidOf(client: object): number | null {
  const pid: unknown = Reflect.get(client, 'processID')
  return typeof pid === 'number' ? pid : null
}

/**
 * Asks a server, over a connection of its own, what a backend does. Behind a pooler process ids are not those of the
 * server, so that nothing can be said; and where the server does not answer at all, neither.
 */
export async function backendIsAtWork(url: string, pid: number): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ own: number; state: string | null }>(
      'select pg_backend_pid() as own, (select state from pg_stat_activity where pid = $1) as state',
      [pid],
    )
    const [found] = rows
    return !found || found.own !== pidOf(client) || found.state === 'active'
  } catch {
    return true
  } finally {
    await client.end().catch(() => {})
  }
}
