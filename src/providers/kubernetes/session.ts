import { Agent, type Dispatcher } from 'undici'

import type { Credential } from './exec-credential.ts'
import type { Connection } from './kubeconfig.ts'

/** Where the cluster is, who we are there, and the connections that are kept to it. */
export type Session = {
  server: string
  namespace: string
  /** By which it knows who we are, beside our certificate. */
  headers: Readonly<Record<string, string | string[]>>
  dispatcher: Dispatcher
  /** For connections of other kinds than the kept ones. */
  tls: ReturnType<typeof tlsOf>
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
  let kept: { key: string; agent: Agent } | undefined

  async function open(): Promise<Open> {
    const connection = await connect()
    const credential = await connection.credential(AbortSignal.timeout(openMs))
    const tls = tlsOf(connection, credential)
    // Over HTTP/2 `undici` makes one line of several groups, which is the name of one.
    const allowH2 = connection.acting === undefined
    const key = JSON.stringify([connection.server, tls, allowH2])
    if (kept?.key !== key) {
      void kept?.agent.close() // what is under way ends by itself
      kept = { key, agent: new Agent({ connect: { ...tls, timeout: 10_000 }, connections: 16, allowH2 }) }
    }
    return {
      server: connection.server,
      namespace: connection.namespace,
      headers: {
        ...(credential.token !== null && { authorization: `Bearer ${credential.token}` }),
        ...connection.acting,
      },
      dispatcher: kept.agent,
      tls,
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
    close: async () => void (await kept?.agent.destroy()),
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
