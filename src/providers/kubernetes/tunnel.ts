import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { getCACertificates } from 'node:tls'

import { buildConnector } from 'undici'

import type { Fault } from '#model/fault.ts'
import type { Proxy } from './proxy.ts'

/** A connection to an API server through a proxy, before anything is said on it. */
export type Tunnel = (signal?: AbortSignal) => Promise<Socket>

/** A proxy that is not there, or does not let us through. */
export class ProxyProblem extends Error {
  override name = 'ProxyProblem'
  readonly kind: Fault['kind']
  readonly retry: Fault['retry']
  constructor(message: string, [kind, retry]: [Fault['kind'], Fault['retry']], cause?: unknown) {
    super(message, { cause })
    this.kind = kind
    this.retry = retry
  }
}

type Way = {
  proxy: Proxy
  server: string
  /** Who signs for the cluster, and perhaps for its proxy. */
  ca: string | undefined
  signal: AbortSignal
}

const openMs = 10_000

/**
 * Opens tunnels to a server (CONNECT, RFC 9110 section 9.3.6). The proxy finds out where its name leads. That of a proxy
 * with TLS is proven by the authorities of this machine or of the cluster; our own certificate is not for it. Rejects with
 * `ProxyProblem`.
 */
export const tunnelsOf =
  ({ proxy, server, ca, signal }: Way): Tunnel =>
  (asks) => {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const target = targetOf(server)
    const late = AbortSignal.timeout(openMs)
    const { protocol, hostname } = new URL(proxy.origin)
    const asked = (protocol === 'https:' ? requestHttps : requestHttp)(proxy.origin, {
      method: 'CONNECT',
      path: target,
      headers: {
        host: target,
        'user-agent': 'isobar',
        connection: 'keep-alive',
        ...(proxy.authorization !== undefined && { 'proxy-authorization': proxy.authorization }),
      },
      agent: false,
      signal: AbortSignal.any([signal, late, ...(asks ? [asks] : [])]),
      servername: isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0 ? '' : hostname, // not what `host` says
      ...(ca !== undefined && { ca: [...getCACertificates('default'), ca] }),
    })
    asked.once('error', (error: NodeJS.ErrnoException) =>
      reject(silent(proxy, late.aborted ? `nothing in ${openMs / 1000} s` : (error.code ?? String(error)), error)),
    )
    asked.once('connect', ({ statusCode = 0, statusMessage = '' }, socket: Socket, head) => {
      socket.on('error', () => undefined) // whoever has it then hears that it is closed
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy()
        return reject(refusing(proxy, { target, status: statusCode, said: statusMessage }))
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asked.end()
    return promise
  }

/** As CONNECT wants it: always with a port. */
function targetOf(server: string): string {
  const { protocol, hostname, port } = new URL(server)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

const trust = 'name its authority by NODE_EXTRA_CA_CERTS'
const certificates: Record<string, string> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  SELF_SIGNED_CERT_IN_CHAIN: `nobody whom we trust signed its certificate: ${trust}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: `nobody whom we trust signed its certificate: ${trust}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `nobody whom we trust signed its certificate: ${trust}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `nobody whom we trust signed its certificate: ${trust}`,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

const silent = ({ origin }: Proxy, code: string, cause: unknown): ProxyProblem =>
  new ProxyProblem(
    `the proxy ${origin} does not answer: ${certificates[code] ?? code}`,
    ['unreachable', 'later'],
    cause,
  )

function refusing({ origin }: Proxy, answer: { target: string; status: number; said: string }): ProxyProblem {
  const { target, status } = answer
  const said = `${status} ${answer.said.slice(0, 100)}`.trim()
  if (status === 407) {
    const fix = 'write them into its address, as http://name:password@host:port'
    return new ProxyProblem(`the proxy ${origin} wants a name and a password (${said}): ${fix}`, [
      'denied',
      'elsewhere',
    ])
  }
  if (status >= 500)
    return new ProxyProblem(`the proxy ${origin} does not reach ${target} (${said})`, ['unreachable', 'later'])
  const fix = `let it allow CONNECT to ${target}`
  return new ProxyProblem(`the proxy ${origin} does not let us through (${said}): ${fix}`, ['denied', 'elsewhere'])
}

/** Kept connections that lie in tunnels. */
export function connectIn(tunnel: Tunnel, options: buildConnector.BuildOptions): buildConnector.connector {
  const secure = buildConnector(options)
  return (to, done) => void dig(tunnel, to.protocol === 'https:' ? { to, secure } : null, done)
}

type Securing = { to: buildConnector.Options; secure: buildConnector.connector }

async function dig(tunnel: Tunnel, securing: Securing | null, done: buildConnector.Callback): Promise<void> {
  let socket: Socket
  try {
    socket = await tunnel()
  } catch (error) {
    return done(error as Error, null)
  }
  if (securing) securing.secure({ ...securing.to, httpSocket: socket }, done)
  else done(null, socket)
}
