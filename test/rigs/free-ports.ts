import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Ports that were free a moment ago. They are none of those that the system gives to connections, of which a server may make
 * hundreds before the last one starts.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = await Promise.all(Array.from({ length: count }, listenSomewhere))
  await Promise.all(found.map(({ server }) => once(server.close(), 'close')))
  return found.map(({ port }) => port)
}

/** One for each name. */
export async function namedPorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const ports = await freePorts(names.length)
  return Object.fromEntries(names.map((name, at) => [name, ports[at]])) as Record<Name, number> // one for each
}

async function listenSomewhere(): Promise<{ server: Server; port: number }> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(20_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (isFree) return { server, port }
  }
  throw new Error('no port from 20000 to 32000 is free')
}
