import { Agent, type Dispatcher } from 'undici'

import type { Credential } from './exec-credential.ts'
import type { Connection } from './kubeconfig.ts'
import { connectIn, type Tunnel, tunnelsOf } from './tunnel.ts'

/** Where the cluster is, who we are there, and the connections that are kept to it. */
export type Session = {
  server: string
  namespace: string
  /** By which it knows who we are, beside our certificate. */
  headers: Readonly<Record<string, string | string[]>>
  dispatcher: Dispatcher
  /** For connections of other kinds than the kept ones. */
  tls: ReturnType<typeof tlsOf>
  /** To the proxy before the server, if there is one. */
  tunnel: Tunnel | undefined
}

export type Sessions = {
  /** The session of now, with a credential that is good for a while. Rejects when the signal aborts, or as `connect` does. */
  current(signal: AbortSignal): Promise<Session>
  /** The API server does not know the credential any more: the next session has a new one. */
  forget(session: Session): void
  close(): Promise<void>
}

/** Renewed so long before it ends, so that none ends on its way. */
const earlyMs = 60_000
/** To learn who we are may take asking a cloud. */
const openMs = 30_000

type Open = Session & { until: number }

/** Sessions with the cluster that `connect` finds. It is asked once for all who wait, and again when a credential ends. */
export function createSessions(connect: () => Promise<Connection>): Sessions {
  let latest: Promise<Open> | undefined
  let kept: { key: string; agent: Agent; tunnel: Tunnel | undefined } | undefined
  const closing = new AbortController()

  async function open(): Promise<Open> {
    const connection = await connect()
    const credential = await connection.credential(AbortSignal.timeout(openMs))
    const tls = tlsOf(connection, credential)
    // Over HTTP/2 `undici` makes one line of several groups, which is the name of one.
    const allowH2 = connection.acting === undefined
    const { server, proxy, ca } = connection
    const key = JSON.stringify([server, proxy, tls, allowH2])
    if (kept?.key !== key) {
      void kept?.agent.close() // what is under way ends by itself
      const tunnel = proxy && tunnelsOf({ proxy, server, ca, signal: closing.signal })
      const options = { ...tls, timeout: 10_000 }
      const way = tunnel ? connectIn(tunnel, { ...options, allowH2 }) : options
      kept = { key, tunnel, agent: new Agent({ connect: way, connections: 16, allowH2 }) }
    }
    return {
      server,
      namespace: connection.namespace,
      headers: {
        ...(credential.token !== null && { authorization: `Bearer ${credential.token}` }),
        ...connection.acting,
      },
      dispatcher: kept.agent,
      tls,
      tunnel: kept.tunnel,
      until: credential.until ?? Infinity,
    }
  }

  return {
    current(signal) {
      const before = latest
      latest = before
        ? before.then(
            (session) => (session.until > Date.now() + earlyMs ? session : open()),
            () => open(),
          )
        : open()
      latest.catch(() => undefined) // whoever waits for it hears of it
      return orAborted(latest, signal)
    },
    forget(session) {
      latest = latest?.then((known) => (known === session ? { ...known, until: 0 } : known))
    },
    async close() {
      closing.abort()
      await kept?.agent.destroy()
    },
  }
}

const tlsOf = ({ ca, serverName, insecure }: Connection, { cert, key }: Credential) => ({
  ...(ca !== undefined && { ca }),
  ...(serverName !== undefined && { servername: serverName }),
  ...(insecure && { rejectUnauthorized: false }),
  ...(cert !== null && { cert }),
  ...(key !== null && { key }),
})

async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const stop = () => reject(new Error('the call was given up'))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
