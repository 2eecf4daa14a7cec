import { isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'

import { WebSocket } from 'ws'

/** Where to, and who asks. */
export type Forward = {
  /** Of the API server, with `https`. */
  server: string
  /** `…/pods/<name>/portforward?ports=<port>`, of one port. */
  path: string
  headers: Readonly<Record<string, string | string[]>>
  tls: object
  /** To the server through a proxy; without it one is made. */
  through?: Socket | undefined
  signal: AbortSignal
}

/** An API server that did not agree, in its own words. */
export class NotForwarded extends Error {
  readonly status: number
  readonly retryAfter: string | undefined
  constructor(status: number, message: string, retryAfter?: string) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** Frames of one port: each begins with its channel, and the first of each channel is the port itself (2 bytes). */
const protocol = 'v4.channel.k8s.io'
const [dataChannel, errorChannel] = [0, 1]
const mostFrameBytes = 4 * 1024 * 1024
const mostRefusalBytes = 64 * 1024

/** What says nothing for so long is asked whether it is there still: proxies between forget who is silent. */
const pingMs = 20_000

/**
 * The bytes to and from a port of a pod, through the API server and the kubelet (`portforward` of a pod over WebSocket, as
 * k8s.io/cri-streaming v0.36.3 has it in pkg/streaming/portforward/websocket.go). Rejects with `NotForwarded`, or with what
 * the network says. That nobody listens on the port shows only in the stream, which is destroyed with the reason.
 */
export function openPortForward({ server, path, headers, tls, through, signal }: Forward): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${path}`, protocol, {
    ...tls,
    ...(through && { createConnection: () => secured({ server, tls, socket: through }) }),
    headers: { 'user-agent': 'isobar', ...headers },
    perMessageDeflate: false,
    maxPayload: mostFrameBytes,
    handshakeTimeout: 10_000,
    followRedirects: false,
  })
  const stop = () => socket.terminate()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const over = () => signal.removeEventListener('abort', stop)
  socket.once('error', (error) => {
    over()
    reject(error)
  })
  socket.once('open', () => {
    over()
    resolve(streamOf(socket))
  })
  socket.once('unexpected-response', (request, response) => {
    let text = ''
    // A server that refuses may break off behind its words.
    for (const one of [socket, request, response, response.socket]) one.on('error', () => undefined)
    response.setEncoding('utf8')
    response.on('data', (part: string) => {
      if (text.length < mostRefusalBytes) text += part
    })
    response.once('close', () => {
      over()
      reject(new NotForwarded(response.statusCode ?? 0, text, response.headers['retry-after']))
      request.destroy()
    })
  })
  return promise
}

/** As `ws` connects by itself, in a connection that is there already. */
function secured({ server, tls, socket }: Pick<Forward, 'server' | 'tls'> & { socket: Socket }): Socket {
  if (!server.startsWith('https:')) return socket
  const host = new URL(server).hostname.replace(/^\[(.*)\]$/, '$1')
  return connect({ host, servername: isIP(host) > 0 ? '' : host, ...tls, socket })
}

function streamOf(socket: WebSocket): Duplex {
  const heard = new Set<number>()
  const pulse = pulseOf(socket)
  const stream = new Duplex({
    // All that came is read before it ends; then nothing can be said any more either.
    allowHalfOpen: false,
    read: () => socket.resume(),
    write: (part: Buffer, _, done) =>
      socket.send(Buffer.concat([Buffer.of(dataChannel), part]), (error) => done(error ?? null)),
    // This protocol knows no half of a connection: who has said all is gone.
    final(done) {
      socket.close()
      done()
    },
    destroy(error, done) {
      pulse.stop()
      socket.terminate()
      done(error)
    },
  })
  // It may fail before anybody has it in hand; who reads it is told then.
  stream.on('error', () => undefined)
  socket.on('message', (message: Buffer) => {
    const [channel = errorChannel] = message
    const part = message.subarray(1)
    if (!heard.has(channel)) return void heard.add(channel)
    if (channel === errorChannel) return void stream.destroy(new Error(part.toString().trim()))
    if (channel === dataChannel && part.length > 0 && !stream.push(part)) socket.pause()
  })
  socket.on('error', (error) => stream.destroy(error))
  socket.on('close', () => {
    pulse.stop()
    stream.push(null)
  })
  return stream
}

/** Ends a connection on which nobody answers. */
function pulseOf(socket: WebSocket): { stop(): void } {
  let isAlive = true
  socket.on('pong', () => (isAlive = true))
  const timer = setInterval(() => {
    if (socket.isPaused) return // nor is its answer read
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
  }, pingMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
