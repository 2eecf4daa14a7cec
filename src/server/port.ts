import { join } from 'node:path'

import { createAdaptorServer, type ServerType } from '@hono/node-server'
import { z } from 'zod'

import { asksForTunnel } from '#api/tunnel.ts'
import { defaultPort, type ServerOptions } from './options.ts'
import { ServerProblem } from './server-problem.ts'
import { codeOf, readStateJson, writeState } from './state-file.ts'

const Remembered = z.object({ host: z.string(), port: z.int().min(1).max(65_535) })

export type Listening = { server: ServerType; url: string }

/**
 * Listens. The port is the one asked for, or the one of last time, because agents of what runs dial it after a restart;
 * at the first start the default one, or any other when somebody has that. Asking for port 0 means any, once.
 */
export async function listen(
  options: Pick<ServerOptions, 'home' | 'host' | 'port'>,
  fetch: (request: Request) => Response | Promise<Response>,
): Promise<Listening> {
  const path = join(options.home, 'port.json')
  const last = Remembered.safeParse(readStateJson(path))
  const remembered = last.success && last.data.host === options.host ? last.data.port : null
  const wanted = options.port || (remembered ?? options.port ?? defaultPort)
  // Whoever asks for another upgrade is answered as if not (`h2c`, of curl and Java).
  const serverOptions = { shouldUpgradeCallback: asksForTunnel }
  const server = createAdaptorServer({ fetch, serverOptions })
  const isFree = options.port === null && remembered === null
  const port = await bind(server, { host: options.host, port: wanted, orAny: isFree })
  writeState(path, `${JSON.stringify({ host: options.host, port })}\n`)
  return { server, url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}` }
}

type Wanted = { host: string; port: number; orAny: boolean }

async function bind(server: ServerType, { host, port, orAny }: Wanted): Promise<number> {
  try {
    return await tryBind(server, host, port)
  } catch (cause) {
    if (codeOf(cause) === 'EADDRINUSE' && orAny) return tryBind(server, host, 0)
    throw explain(cause, host, port)
  }
}

function tryBind(server: ServerType, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

function explain(cause: unknown, host: string, port: number): ServerProblem {
  const code = codeOf(cause)
  if (code === 'EADDRINUSE')
    return new ServerProblem(
      'conflict',
      `Another program listens on ${host}:${port}, the port that agents of this state directory dial.\n` +
        `End that program (find it with: ss -ltnp sport = :${port}), or take another port: isobar serve --port ${port === 65_535 ? port - 1 : port + 1}`,
      { cause },
    )
  if (code === 'EACCES')
    return new ServerProblem(
      'usage',
      `This user may not listen on port ${port}.\nTake one above 1023: isobar serve --port ${defaultPort}`,
      {
        cause,
      },
    )
  return new ServerProblem(
    'usage',
    `The server cannot listen on ${host}:${port} (${String(code)}).\nisobar serve --help`,
    {
      cause,
    },
  )
}
