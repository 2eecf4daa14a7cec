import { Client, type PoolClient } from 'pg'

import { codeOf } from './store-unavailable.ts'

/**
 * Makes a connection break that is no good any more although nobody said so. One leads to a server that became a standby.
 * Over another a query is not answered for so long: a network that forgets a connection tells nobody, and what was asked
 * would wait for as long as TCP tries, a quarter of an hour. A transaction that lifts the bound of its statements (`set
 * local statement_timeout`) lifts this one as well.
 */
export function breakOff(client: PoolClient, silenceMs: number): void {
  const query: (...asked: unknown[]) => Promise<unknown> = client.query.bind(client)
  let isLifted = false
  const end = () => void (client instanceof Client && client.end())
  async function bounded(...asked: unknown[]): Promise<unknown> {
    const [first] = asked
    const text = typeof first === 'string' ? first : ''
    if (text.startsWith('set local statement_timeout')) isLifted = true
    if (/^(commit|rollback)$/.test(text)) isLifted = false
    const timer = isLifted ? undefined : setTimeout(end, silenceMs)
    try {
      return await query(...asked)
    } catch (error) {
      if (codeOf(error) === '25006') end()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
  client.query = bounded as PoolClient['query'] // of its many forms the one that gives a promise is all that we use
}
