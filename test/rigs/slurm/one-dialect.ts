import { buffer } from 'node:stream/consumers'
import { once } from 'node:events'
import { createServer } from 'node:http'

import type { Cluster } from './cluster.ts'

const specification = '/openapi/v3'

type Specification = { paths: Record<string, unknown> }

const versionIn = (path: string): string | undefined => /^\/slurm\/(v[\d.]+)\//.exec(path)?.[1]

async function specificationOf({ rest, user, token }: Cluster): Promise<Specification> {
  const headers = { 'x-slurm-user-name': user, 'x-slurm-user-token': token() }
  return (await (await fetch(rest + specification, { headers })).json()) as Specification // as slurmrestd makes it
}

/** The versions of its API that the slurmrestd of a cluster offers, such as `v0.0.42`, the oldest first. */
export async function offeredVersions(cluster: Cluster): Promise<string[]> {
  const { paths } = await specificationOf(cluster)
  return [...new Set(Object.keys(paths).flatMap((path) => versionIn(path) ?? []))].sort()
}

/** The slurmrestd of a cluster as if it offered one version of its API only. All else is passed on as it is. */
export async function inOneVersion(
  cluster: Cluster,
  version: string,
): Promise<{ address: string; close(): Promise<void> }> {
  const { paths } = await specificationOf(cluster)
  const left = Object.entries(paths).filter(([path]) => (versionIn(path) ?? version) === version)
  const told = JSON.stringify({ paths: Object.fromEntries(left) })
  const server = createServer((question, answer) => {
    const { method = '', url = '', headers } = question
    if (url === specification) return void answer.setHeader('content-type', 'application/json').end(told)
    const kept = ['x-slurm-user-name', 'x-slurm-user-token', 'content-type'].flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [[name, value] as [string, string]] : []
    })
    const pass = async (): Promise<void> => {
      const body = await buffer(question)
      const reply = await fetch(cluster.rest + url, { method, headers: kept, ...(body.length > 0 && { body }) })
      answer.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'text/plain' })
      answer.end(Buffer.from(await reply.arrayBuffer()))
    }
    pass().catch(() => question.socket.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return {
    address: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    async close() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}
