import { createServer as createHttp, type IncomingMessage } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'

/** A proxy that takes CONNECT and nothing else. */
export type ConnectProxy = {
  /** With the name and password that it wants. */
  url: string
  origin: string
  /** What was asked for, by those who were let through and those who were not. */
  asked(): { target: string | undefined; authorization: string | undefined }[]
  /** How many tunnels were opened, and how many are open. */
  tunnels(): { opened: number; open: number }
  /** Ends as a process does that is killed: every connection breaks, and nobody listens. */
  kill(): Promise<void>
  /** Listens again where it did. */
  start(): Promise<void>
}

export type Asked = {
  /** What it knows by name: `host:port` that is asked for to a port of this machine. It goes nowhere else. */
  leads: Readonly<Record<string, number>>
  /** `name:password`, as in an address. */
  wants?: string
  tls?: { cert: string; key: string }
  /** Answers so instead. */
  refuses?: number
  /** Does not answer at all. */
  silent?: true
}

/** What a kubeconfig says of a cluster on a port of this machine whose name only this proxy knows. */
export const clusterBehind = ({ url }: Pick<ConnectProxy, 'url'>): object => ({
  server: `https://${hidden}`,
  'tls-server-name': 'kubernetes',
  'proxy-url': url,
})

/** Where that cluster is said to be. */
export const hidden = 'cluster.test:6443'

export async function openConnectProxy({ leads, wants, tls, refuses, silent }: Asked): Promise<ConnectProxy> {
  const asked: ReturnType<ConnectProxy['asked']> = []
  const open = new Set<Duplex>()
  let opened = 0
  let port = 0
  const known = wants === undefined ? undefined : `Basic ${Buffer.from(decodeURIComponent(wants)).toString('base64')}`
  const make = () => {
    const made = tls ? createHttps(tls) : createHttp()
    made.on('connection', (socket: Duplex) => keep(socket))
    made.on('connect', answer)
    return made
  }
  const keep = (socket: Duplex): void => {
    open.add(socket)
    socket.on('error', () => undefined).once('close', () => open.delete(socket))
  }
  const answer = (request: IncomingMessage, client: Duplex): void => {
    const { url: target, headers } = request
    client.on('error', () => undefined)
    asked.push({ target, authorization: headers['proxy-authorization'] })
    if (silent) return void client.resume().once('end', () => client.destroy())
    if (refuses !== undefined) return void client.end(`HTTP/1.1 ${refuses} So it is\r\n\r\n`)
    if (known !== undefined && headers['proxy-authorization'] !== known)
      return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const lead = leads[target ?? '']
    if (lead === undefined) return void client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    const server = connect(lead, '127.0.0.1')
    keep(server)
    server.once('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    server.once('connect', () => {
      opened++
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.pipe(server).pipe(client)
    })
    server.once('close', () => client.destroy())
    client.once('close', () => server.destroy())
  }
  let server = make()
  const start = async (): Promise<void> => {
    server = make()
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  }
  await start()
  const scheme = tls ? 'https' : 'http'
  return {
    url: `${scheme}://${wants === undefined ? '' : `${wants}@`}127.0.0.1:${port}`,
    origin: `${scheme}://127.0.0.1:${port}`,
    asked: () => asked,
    tunnels: () => ({ opened, open: open.size }),
    async kill() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
    start,
  }
}
