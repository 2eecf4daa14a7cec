import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createClock, type Clock } from '#kit/clock.ts'
import { followTable, type Table } from './feed.ts'
import { createDispatcher, forward, refuse } from './forward.ts'
import { createPool, type Pool } from './pool.ts'

export type GatewayOptions = {
  server: string
  token: string
  host: string
  port: number
  everyMs?: number
  clock?: Clock
}

export type Gateway = { url: string; close(): Promise<void> }

/**
 * One address for all services: `http://host:port/<project>/<service>/…` goes to a ready replica, wherever it runs. It
 * asks the control plane which replicas are ready, never the database, and goes on without it.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const clock = options.clock ?? createClock()
  const pools = new Map<string, Pool>()
  const dispatcher = createDispatcher(options)
  const stop = new AbortController()
  const http = createServer((from, to) => void serve(from, to).catch(() => to.destroy()))

  async function serve(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const [, project = '', service = '', rest = ''] = /^\/([^/?]+)\/([^/?]+)(.*)$/s.exec(from.url ?? '') ?? []
    const pool = pools.get(`${project}/${service}`)
    if (!pool)
      return refuse(to, 404, `There is no service "${service}" in project "${project}". See: isobar ps --kind service`)
    await forward(from, to, { pool, path: rest.startsWith('/') ? rest : `/${rest}`, dispatcher, now: clock.now })
  }

  const { promise: first, resolve: loaded } = Promise.withResolvers<void>()
  const take = (table: Table): void => {
    for (const name of pools.keys()) if (!table.has(name)) pools.delete(name)
    for (const [name, endpoints] of table) poolOf(pools, name).update(endpoints)
    loaded()
  }
  const feed = { server: options.server, token: options.token, clock, everyMs: options.everyMs ?? 500 }
  const following = followTable(feed, take, stop.signal)
  await Promise.race([first, clock.sleep(5000, stop.signal)])
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject).listen(options.port, options.host, resolve)
  })
  const { address, port } = http.address() as AddressInfo // it listens on a port
  return {
    url: `http://${address}:${port}`,
    async close() {
      stop.abort()
      http.close()
      http.closeAllConnections()
      await Promise.all([following, dispatcher.destroy()])
    },
  }
}

function poolOf(pools: Map<string, Pool>, name: string): Pool {
  const pool = pools.get(name) ?? createPool()
  pools.set(name, pool)
  return pool
}
