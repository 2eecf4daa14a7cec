import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import type { ProblemView } from '#api/views.ts'

import { CliFault, exitCodes, faultOf, Unreachable } from './fault.ts'

// `import 'node:http'` would load the whole of undici for its WebSocket, as `fetch` does: a quarter of a command's time.
const { request: requestHttp } = process.getBuiltinModule('node:http')

export type Query = Record<string, string | number | boolean | undefined>

type RequestOptions = {
  query?: Query
  headers?: Record<string, string>
  body?: string | Uint8Array | Readable
  signal?: AbortSignal
  /** How long the server may say nothing. */
  silenceMs?: number
}

/** The server, as commands see it. What it answers with a problem is thrown as the fault that stands for it. */
export type Api = {
  url: string
  get<T>(path: string, query?: Query): Promise<T>
  /** Sends a JSON body, with an idempotency key, so that a lost answer may be asked for again. */
  send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>
  /** The response with its body still to be read; a problem is thrown. */
  open(method: string, path: string, options?: RequestOptions): Promise<IncomingMessage>
  /** The response whatever its status. */
  raw(method: string, path: string, options?: RequestOptions): Promise<IncomingMessage>
}

const silenceMs = 60_000
const mostJsonBytes = 512 * 1024 * 1024

/** `ifAway`: what helps when it does not answer. `answered`: told the version of the server with every answer. */
type Server = { url: string; token: string; ifAway?: string; answered?: (version: string) => void }

/** Talks to the server at `url`. */
export function createApi({ url, token, ifAway = 'isobar server status', answered = () => {} }: Server): Api {
  const base = new URL(url)
  const raw: Api['raw'] = async (method, path, options = {}) => {
    const send = base.protocol === 'https:' ? process.getBuiltinModule('node:https').request : requestHttp
    const response = await call({ send, base, token, ifAway, method, path, options })
    answered(String(response.headers['isobar-version'] ?? ''))
    return response
  }
  const open: Api['open'] = async (method, path, options) => {
    const response = await raw(method, path, options)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    throw await problemOf(response)
  }
  return {
    url,
    raw,
    open,
    async get<T>(path: string, query?: Query) {
      const response = await again(() => open('GET', path, { query: query ?? {} }))
      return readJson<T>(response)
    },
    async send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown) {
      const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() }
      const options = body === undefined ? { headers } : { headers, body: JSON.stringify(body) }
      return readJson<T>(await again(() => open(method, path, options)))
    },
  }
}

/** How long a request that was made once more waits for the first one, which the server still has in work. */
const inWorkMs = 15_000

/** A connection may break just as it is used; the same request is then made once more. */
async function again<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
  }
  for (const until = Date.now() + inWorkMs; ; await sleep(250))
    try {
      return await attempt()
    } catch (error) {
      if (!isInWork(error) || Date.now() > until) throw error
    }
}

const isInWork = (error: unknown): boolean =>
  error instanceof CliFault && error.problem?.code === 'conflict' && error.problem.retryable

type Outgoing = {
  send: typeof requestHttp
  base: URL
  token: string
  ifAway: string
  method: string
  path: string
  options: RequestOptions
}

function call({ send, base, token, method, path, options, ifAway }: Outgoing): Promise<IncomingMessage> {
  const target = new URL(path, base)
  for (const [name, value] of Object.entries(options.query ?? {}))
    if (value !== undefined) target.searchParams.set(name, String(value))
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers }
  // A path may be a whole address; the token belongs to the server alone.
  if (token && target.origin === base.origin) headers.authorization = `Bearer ${token}`
  return new Promise((resolve, reject) => {
    const outgoing = send(target, { method, headers, signal: options.signal })
    outgoing.setTimeout(options.silenceMs ?? silenceMs, () => outgoing.destroy(new Error('it did not answer in time')))
    outgoing.once('error', (error) => reject(unreachable({ base, ifAway }, error)))
    outgoing.once('response', resolve)
    const { body } = options
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
    else body.once('error', (error) => outgoing.destroy(error)).pipe(outgoing)
  })
}

const unreachable = ({ base, ifAway }: Pick<Outgoing, 'base' | 'ifAway'>, error: Error): Unreachable =>
  new Unreachable(`the server at ${base.origin} does not answer`, {
    why: error.message || String(error),
    next: [ifAway],
  })

/** Reads a whole body as text. What breaks off is `Unreachable`. */
export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  try {
    for await (const part of response) {
      const bytes: Buffer = part
      size += bytes.length
      if (size > mostJsonBytes) throw new CliFault('the answer of the server is too large to be read')
      parts.push(bytes)
    }
  } catch (error) {
    if (error instanceof CliFault) throw error
    throw new Unreachable('the server broke off its answer', { why: String(error), next: ['isobar server status'] })
  }
  return Buffer.concat(parts).toString('utf8')
}

/** Reads a whole body as JSON. */
export async function readJson<T>(response: IncomingMessage): Promise<T> {
  const text = await readText(response)
  try {
    const value: T = JSON.parse(text || 'null') // of this shape by the contract of the API that both sides share
    return value
  } catch {
    throw new CliFault('the server answered with something that is not JSON', {
      why: text.slice(0, 200),
      next: ['isobar doctor'],
    })
  }
}

async function problemOf(response: IncomingMessage): Promise<CliFault> {
  const text = await readText(response)
  const status = response.statusCode ?? 0
  if (/json/.test(response.headers['content-type'] ?? '')) {
    const problem = await parseProblem(text)
    if (problem) return faultOf(problem)
  }
  const code =
    status === 401 || status === 403 ? exitCodes.denied : status === 404 ? exitCodes.notFound : exitCodes.failed
  return new CliFault(`the server answered with ${status}`, { code, why: text.slice(0, 500), next: ['isobar doctor'] })
}

async function parseProblem(text: string): Promise<ProblemView | undefined> {
  try {
    const problem: Partial<ProblemView> = JSON.parse(text)
    if (typeof problem.code !== 'string') return undefined
    return {
      type: '',
      title: '',
      status: 0,
      detail: '',
      next: [],
      requestId: '',
      retryable: false,
      ...problem,
      code: problem.code,
    }
  } catch {
    return undefined
  }
}

/** All items of a list that comes in pages, at most `limit` of them; `more` says whether there are others. */
export async function listAll<T>(
  api: Api,
  path: string,
  { query, limit }: { query: Query; limit: number },
): Promise<{ items: T[]; more: boolean }> {
  const items: T[] = []
  let pageToken: string | undefined
  do {
    const pageSize = Math.min(1000, limit - items.length)
    const page: { items: T[]; nextPageToken: string | null } = await api.get(path, { ...query, pageSize, pageToken })
    items.push(...page.items)
    pageToken = page.nextPageToken ?? undefined
  } while (pageToken && items.length < limit)
  return { items, more: pageToken !== undefined }
}

/** The path of a workload. */
export const workloadPath = (idOrName: string, tail = ''): string =>
  `/v1/workloads/${encodeURIComponent(idOrName)}${tail}`
