import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

import { Agent, type Dispatcher } from 'undici'

import { connectTo, type ControlPlane } from './connect.ts'
import type { Pool } from './pool.ts'

/** Headers that belong to one connection and are not passed on (RFC 9110, section 7.6.1). */
const hop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
])

/** Connections to replicas: kept open, given up on soon while connecting, never while an answer streams. */
export const createDispatcher = (plane: ControlPlane): Dispatcher =>
  new Agent({ connect: connectTo(plane), headersTimeout: 0, bodyTimeout: 0 })

export type Forwarding = { pool: Pool; path: string; dispatcher: Dispatcher; now: () => number }

/**
 * Passes a request to a ready replica and its answer back, as bytes. A request that no replica has seen is tried on
 * the next one; one that a replica may have begun is not repeated, unless repeating is harmless (GET, HEAD, OPTIONS
 * without a body) and no byte of an answer was sent.
 */
export async function forward(from: IncomingMessage, to: ServerResponse, forwarding: Forwarding): Promise<void> {
  const { pool, now } = forwarding
  const harmless = ['GET', 'HEAD', 'OPTIONS'].includes(from.method ?? '') && !hasBody(from)
  for (const endpoint of pool.order(now())) {
    const end = pool.begin(endpoint)
    try {
      await pass(from, to, { ...forwarding, endpoint })
      return
    } catch (error) {
      pool.failed(endpoint, now())
      if (to.headersSent) return void to.destroy()
      if (!harmless && !neverConnected(error))
        return refuse(to, 502, 'The replica closed the connection before it answered.')
    } finally {
      end()
    }
  }
  refuse(to, 503, 'No replica of this service is ready.')
}

async function pass(from: IncomingMessage, to: ServerResponse, via: Forwarding & { endpoint: string }): Promise<void> {
  const abort = new AbortController()
  const gone = () => abort.abort()
  to.once('close', gone)
  try {
    await via.dispatcher.stream(
      {
        origin: `http://${via.endpoint}`,
        path: via.path,
        method: (from.method ?? 'GET') as Dispatcher.HttpMethod, // node has checked it
        headers: passedOn(from.headers),
        body: hasBody(from) ? Readable.from(read(from), { objectMode: false }) : null,
        signal: abort.signal,
      },
      ({ statusCode, headers }) => to.writeHead(statusCode, passedOn(headers)),
    )
  } finally {
    to.off('close', gone)
  }
}

// It is first touched when a replica is connected: undici destroys the stream it was given when none is.
async function* read(from: IncomingMessage): AsyncGenerator<Buffer> {
  yield* from
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const passedOn = (headers: IncomingHttpHeaders): Record<string, string | string[]> =>
  Object.fromEntries(
    Object.entries(headers).filter(
      (header): header is [string, string | string[]] => !hop.has(header[0]) && header[1] !== undefined,
    ),
  )

const connectFaults = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
const neverConnected = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && connectFaults.has(String(error.code))

/** An error of the gateway's own, as RFC 9457 has it. */
export function refuse(to: ServerResponse, status: number, detail: string): void {
  to.writeHead(status, { 'content-type': 'application/problem+json' })
  to.end(JSON.stringify({ type: 'about:blank', title: status === 404 ? 'Not found' : 'Unavailable', status, detail }))
}
