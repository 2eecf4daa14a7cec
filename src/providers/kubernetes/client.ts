import type { Duplex } from 'node:stream'

import { request } from 'undici'

import { fail, type Fault, type Outcome, succeed } from '#model/fault.ts'
import { IdentityProblem } from './exec-credential.ts'
import { type Refusal, refusalOf, silenceOf } from './faults.ts'
import type { Connection } from './kubeconfig.ts'
import { NotForwarded, openPortForward } from './port-forward.ts'
import { createSessions, type Session, type Sessions } from './session.ts'

export type Asking = {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With its query. */
  path: string
  body?: unknown
  /** Of a list only what each of its objects is called, and when it was made and deleted. */
  namesOnly?: true
  signal: AbortSignal
}

/** Why there is no answer that helps: how the API server refused, or `null` when it said nothing at all. */
export type Refused = { ok: false; fault: Fault; refusal: Refusal | null }
export type Answer = { ok: true; body: unknown } | Refused

/** Speaks to one API server. Never throws for what may be expected. */
export type Client = {
  /** The namespace of the context. */
  namespace(signal: AbortSignal): Promise<Outcome<string>>
  ask(asking: Asking): Promise<Answer>
  /** The bytes of an answer that is no object, at most so many. */
  read(asking: Asking & { most: number }): Promise<{ ok: true; bytes: Buffer } | Refused>
  /**
   * The lines of an answer as they come, until it ends. `opened` is called as soon as the server answers, `line` with each
   * line. A server that says nothing for `silenceMs` is not listened to any longer.
   */
  stream(asking: Streaming): Promise<{ ok: true } | Refused>
  /** The bytes to and from a port of a pod (`port-forward.ts`), which outlive the signal. */
  forward(asking: Pick<Asking, 'path' | 'signal'>): Promise<{ ok: true; stream: Duplex } | Refused>
  close(): Promise<void>
}

export type Streaming = Asking & { silenceMs: number; opened(): void; line(text: string): void }

/** An answer that is larger is cut off and so none: nothing that we ask for is. */
const mostAnswerBytes = 256 * 1024 * 1024
const mostRefusalBytes = 64 * 1024
/** No object that Kubernetes keeps is larger than a few MiB. */
const mostLineBytes = 16 * 1024 * 1024
/** A server that was heard is not waited for longer between two of its words. */
const mostSilenceMs = 30_000

/** A client on kept connections; `connect` says where the cluster is and who we are there. */
export function createClient(connect: () => Promise<Connection>): Client {
  const sessions = createSessions(connect)
  return {
    async namespace(signal) {
      try {
        return succeed((await sessions.current(signal)).namespace)
      } catch (error) {
        return { ok: false, fault: faultOf(error, 'the cluster') }
      }
    },
    async ask(asking) {
      const answer = await receive(sessions, asking, mostAnswerBytes)
      if (!answer.ok) return answer
      try {
        return { ok: true, body: JSON.parse(answer.bytes.toString()) as unknown }
      } catch {
        return refused('what answers is no API server: it does not speak JSON')
      }
    },
    read: ({ most, ...asking }) => receive(sessions, asking, most),
    stream: ({ silenceMs, opened, line, ...asking }) =>
      receiveBy(sessions, asking, {
        silenceMs,
        async take(body) {
          opened()
          for await (const one of linesOf(body)) line(one)
          return { ok: true }
        },
      }),
    forward: (asking) =>
      inSession(sessions, asking.signal, async ({ server, headers, tls, tunnel }) => {
        try {
          const through = await tunnel?.(asking.signal)
          return { ok: true as const, stream: await openPortForward({ server, headers, tls, through, ...asking }) }
        } catch (error) {
          if (!(error instanceof NotForwarded)) throw error
          return refusalOf(error.status, error.message, error.retryAfter)
        }
      }),
    close: () => sessions.close(),
  }
}

const refused = (why: string): Refused => ({ ...fail('unreachable', 'later', why), refusal: null })

const receive = (sessions: Sessions, asking: Asking, most: number) =>
  receiveBy(sessions, asking, {
    silenceMs: mostSilenceMs,
    take: async (body) => ({ ok: true as const, bytes: await readUpTo(body, most) }),
  })

/** How an answer is taken in that is no refusal. */
type Taking<T> = { silenceMs: number; take(body: AsyncIterable<Buffer>): Promise<T> }

const receiveBy = <T extends { ok: boolean }>(sessions: Sessions, asking: Asking, { silenceMs, take }: Taking<T>) =>
  inSession(sessions, asking.signal, async (session) => {
    const { statusCode, headers, body } = await request(`${session.server}${asking.path}`, {
      ...optionsOf(asking, session),
      bodyTimeout: silenceMs,
    })
    if (statusCode < 300) return take(body)
    const bytes = await readUpTo(body, mostRefusalBytes)
    const after = headers['retry-after']
    return refusalOf(statusCode, bytes.toString(), Array.isArray(after) ? after[0] : after)
  })

/** Makes a call in the session of now; once more in a new one where this one is not known any more. */
async function inSession<T extends { ok: boolean }>(
  sessions: Sessions,
  signal: AbortSignal,
  call: (session: Session) => Promise<T | Refusal>,
): Promise<T | Refused> {
  if (signal.aborted) return refused('the call was given up')
  let server = 'the cluster'
  try {
    for (let tries = 1; ; tries++) {
      const session = await sessions.current(signal)
      server = session.server
      const answer = await call(session)
      if ('ok' in answer) return answer
      // Perhaps it is only that our credential has ended.
      if (answer.status !== 401 || tries > 1) return { ok: false as const, fault: answer.fault, refusal: answer }
      sessions.forget(session)
    }
  } catch (error) {
    if (signal.aborted) return refused(`${server}: the call was given up`)
    return { ok: false as const, fault: faultOf(error, server), refusal: null }
  }
}

/** Who does not know who he is was not heard by anybody; that is no silence of the cluster. */
const faultOf = (error: unknown, server: string): Fault =>
  error instanceof IdentityProblem ? fail('denied', 'elsewhere', error.message).fault : silenceOf(error, server)

function optionsOf({ method = 'GET', body, namesOnly, signal }: Asking, { headers, dispatcher }: Session) {
  // A merge patch is the one form that every kind of object takes.
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  return {
    method,
    dispatcher,
    signal,
    headers: {
      accept: namesOnly ? metadataOnly : 'application/json',
      'user-agent': 'isobar',
      ...(body !== undefined && { 'content-type': type }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headersTimeout: mostSilenceMs,
  }
}

/** How one asks for less (https://kubernetes.io/docs/reference/using-api/api-concepts/, 'metadata-only fetches'). */
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

/** Lines of JSON; the last one only if it is whole. */
async function* linesOf(body: AsyncIterable<Buffer>): AsyncIterable<string> {
  let [parts, size]: [Buffer[], number] = [[], 0]
  for await (const part of body) {
    let from = 0
    for (let to = part.indexOf(newline); to >= 0; to = part.indexOf(newline, from)) {
      yield Buffer.concat([...parts, part.subarray(from, to)]).toString()
      from = to + 1
      ;[parts, size] = [[], 0]
    }
    if (from < part.length) parts.push(part.subarray(from))
    size += part.length - from
    if (size > mostLineBytes) throw new Error(`a line is longer than ${mostLineBytes} bytes`)
  }
}

const newline = 10

async function readUpTo(body: AsyncIterable<Buffer>, most: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of body) {
    parts.push(part)
    size += part.length
    if (size >= most) break
  }
  return Buffer.concat(parts).subarray(0, most)
}
