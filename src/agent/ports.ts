import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A port for each one that the spec names, free on `address` now. Never the named ones: another copy on the same
 * machine may have them, and programs that listen on every address would collide.
 */
export async function freePorts(address: string, count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen({ host: address, port: 0, exclusive: true })
    await once(server, 'listening')
    const bound = server.address()
    ports.push(typeof bound === 'object' && bound ? bound.port : 0)
  }
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
