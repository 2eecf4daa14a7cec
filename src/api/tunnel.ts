import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { type Duplex, pipeline } from 'node:stream'

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
    socket.on('error', () => socket.destroy())
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    open++
    const over = () => void open--
    let far: Duplex | undefined
    const tunnel = { open, carry: (stream: Duplex) => void (far = stream) }
    const answer = await app.fetch(asked(request, gone.signal), { tunnel } satisfies ApiEnv['Bindings'])
    if (!far) return refuse(socket, answer).finally(over)
    const end = () => socket.destroy()
    closing.addEventListener('abort', end, { once: true })
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${tunnelProtocol}\r\n\r\n`)
    if (head.length > 0) socket.unshift(head)
    pipeline(socket, far, socket, () => {
      over()
      closing.removeEventListener('abort', end)
      far?.destroy()
      socket.destroy()
    })
    if (closing.aborted) end()
  }
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
