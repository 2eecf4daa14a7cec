import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'

import { buildConnector } from 'undici'

import { readForwarded, tunnelProtocol } from '#model/forwarded.ts'

/** The control plane, and what one shows it. */
export type ControlPlane = { server: string; token: string }

/** A replica that is reached at its address is given up on soon; a tunnel takes a control plane and an API server. */
const [directMs, tunnelMs] = [1_000, 10_000]

/** Connects to replicas: at their addresses, or, where only their provider reaches them, by a tunnel of the control plane. */
export function connectTo(plane: ControlPlane): buildConnector.connector {
  const direct = buildConnector({ timeout: directMs })
  return (options, done) => {
    if (readForwarded(options.hostname) === null) return direct(options, done)
    void dial(plane, `${options.hostname}:${options.port}`, done)
  }
}

async function dial(plane: ControlPlane, endpoint: string, done: buildConnector.Callback): Promise<void> {
  let socket: Socket
  try {
    socket = await openTunnel(plane, endpoint)
  } catch (cause) {
    // Nobody has seen the request: it may be tried on the next replica.
    return done(Object.assign(new Error(`no tunnel to ${endpoint}`, { cause }), { code: 'EHOSTUNREACH' }), null)
  }
  done(null, socket)
}

async function openTunnel({ server, token }: ControlPlane, endpoint: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const url = new URL(`/v1/tunnels/${endpoint}`, server)
  const headers = { authorization: `Bearer ${token}`, connection: 'upgrade', upgrade: tunnelProtocol }
  const asked = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, { headers, agent: false })
  const late = setTimeout(() => asked.destroy(new Error('it was not there in time')), tunnelMs)
  asked.on('error', reject)
  asked.once('response', (answer) => {
    answer.on('error', reject).resume()
    reject(new Error(`the control plane answered ${answer.statusCode}`))
  })
  asked.once('upgrade', (_, socket, head) => {
    if (head.length > 0) socket.unshift(head)
    resolve(socket)
  })
  asked.end()
  try {
    return await promise
  } finally {
    clearTimeout(late)
  }
}
