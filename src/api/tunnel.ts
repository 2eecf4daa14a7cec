import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { tunnelProtocol } from '#model/forwarded.ts'
import type { ApiEnv, ApiHouse } from './house.ts'
import type { Api } from './openapi.ts'

/** Whether a request asks for a tunnel; all others are answered as if they asked for no upgrade. */
export const asksForTunnel = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers.upgrade?.toLowerCase() === tunnelProtocol

/**
 * Makes connections tunnels: each is answered by the route that it asks for, behind the same guard as all requests, and
 * carries bytes to and from what that has opened until one of both ends, or the server does.
 */
export function createTunnels(app: Api, { closing }: Pick<ApiHouse, 'closing'>) {
  let open = 0
  return async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const end = () => socket.destroy()
    socket.on('error', end)
    open++
    let far: Duplex | undefined
    try {
      far = await dialled(app, { request, socket, open })
      if (!far) return
      closing.addEventListener('abort', end, { once: true })
      if (closing.aborted) end()
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${tunnelProtocol}\r\n\r\n`)
      if (head.length > 0) socket.unshift(head)
      await pipeline(socket, far, socket)
    } catch {
      end() // one of both broke off, or what was asked cannot even be read as a request
    } finally {
      open--
      far?.destroy()
      closing.removeEventListener('abort', end)
    }
  }
}

type Asking = { request: IncomingMessage; socket: Duplex; open: number }

/** What the route has opened; nothing where it refused, and the caller was told. */
async function dialled(app: Api, { request, socket, open }: Asking): Promise<Duplex | undefined> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort())
  let far: Duplex | undefined
  const tunnel = { open, carry: (stream: Duplex) => void (far = stream) }
  const answer = await app.fetch(asked(request, gone.signal), { tunnel } satisfies ApiEnv['Bindings'])
  if (!far) await refuse(socket, answer)
  return far
}

/** The request as the routes are asked it. */
function asked({ url = '/', headers }: IncomingMessage, signal: AbortSignal): Request {
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || name === 'connection' || name === 'upgrade'
      ? []
      : [[name, String(value)] as [string, string]],
  )
  return new Request(`http://127.0.0.1${url}`, { headers: given, signal })
}

async function refuse(socket: Duplex, answer: Response): Promise<void> {
  const body = Buffer.from(await answer.arrayBuffer())
  const head = [...answer.headers].filter(([name]) => name !== 'connection' && name !== 'content-length')
  const lines = [
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}`,
    ...head.map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    'connection: close',
  ]
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
}
