import type { IncomingMessage } from 'node:http'

import type { AgentAnswer, AgentReport } from '#model/agent-protocol.ts'
import type { GangAnswer, GangAsk } from '#model/gang-relay.ts'
import { redialMs } from '#model/redial.ts'

/** What came of one report. `aborted`: we had something newer to say. */
type Reply<T> = { kind: 'answer'; answer: T } | { kind: 'denied' | 'away' | 'aborted'; detail: string }

export type ControlPlane = {
  /** One report to whichever control plane answers. Never throws. */
  sync(report: AgentReport, signal: AbortSignal): Promise<Reply<AgentAnswer>>
  /** One question to it about the folder of a gang. Never throws. */
  ask(question: GangAsk): Promise<Reply<GangAnswer>>
  /** Opens an address that the control plane gave, absolute or relative to it. Throws when it does not answer 200. */
  open(url: string): Promise<IncomingMessage>
  /** How long to wait before the next try: longer with each failure, at most two seconds, never in step with others. */
  pauseMs(): number
}

// `import 'node:http'` would load the whole of undici for its WebSocket, a third of an agent's start and memory.
const http = process.getBuiltinModule('node:http')
const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 4 })
const mostAnswerBytes = 16 * 1024 * 1024
const never = new AbortController().signal

export function createControlPlane(options: { addresses: string[]; credential: string }): ControlPlane {
  const dial = createDial(options.addresses)

  async function post<T extends { controlPlanes: string[] }>(
    path: string,
    { body, mostMs, signal }: { body: unknown; mostMs: number; signal: AbortSignal },
    isAnswer: (answer: T) => boolean,
  ): Promise<Reply<T>> {
    try {
      const response = await request(new URL(path, dial.address()), {
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${options.credential}`, 'content-type': 'application/json' },
        signal: AbortSignal.any([signal, AbortSignal.timeout(mostMs)]),
      })
      const text = await readText(response)
      if (response.statusCode === 401 || response.statusCode === 403) {
        dial.denied()
        return { kind: 'denied', detail: text }
      }
      if (response.statusCode !== 200) throw new Error(`${dial.address()} answered ${response.statusCode}`)
      const answer = JSON.parse(text) as T // checked as far as we depend on it
      if (!isAnswer(answer)) throw new Error('not an answer')
      dial.answered(answer.controlPlanes ?? [])
      return { kind: 'answer', answer }
    } catch (error) {
      if (signal.aborted) return { kind: 'aborted', detail: '' }
      dial.silent()
      return { kind: 'away', detail: String(error) }
    }
  }

  return {
    sync: (report, signal) =>
      post<AgentAnswer>(
        '/agent/v1/sync',
        { body: report, mostMs: report.waitMs + 10_000, signal },
        ({ version, tasks }) => typeof version === 'string' && Array.isArray(tasks),
      ),
    ask: (question) =>
      post<GangAnswer>(
        '/agent/v1/gang',
        { body: question, mostMs: 15_000, signal: never },
        ({ known }) => typeof known === 'boolean',
      ),
    async open(url) {
      const response = await request(new URL(url, dial.address()), { signal: AbortSignal.timeout(600_000) })
      if (response.statusCode === 200) return response
      response.destroy()
      throw new Error(`the control plane answered ${response.statusCode}`)
    },
    pauseMs: dial.pauseMs,
  }
}

/** Which of several addresses is asked, and how soon again. */
function createDial(given: string[]) {
  let addresses = given
  let current = Math.floor(Math.random() * addresses.length)
  let failures = 0
  const address = () => addresses[current % addresses.length] ?? ''
  return {
    address,
    denied: () => void failures++,
    /** The others are tried. */
    silent() {
      failures++
      current++
    },
    /** Takes over where to dial, and stays with whoever answered just now if it is among them. */
    answered(next: string[]) {
      failures = 0
      if (next.length === 0) return
      const here = address()
      addresses = next
      current = Math.max(0, next.indexOf(here))
    },
    // With several addresses the others are tried at once.
    pauseMs: () => (failures < addresses.length ? 0 : redialMs(failures - addresses.length + 1, Math.random())),
  }
}

type RequestOptions = { body?: string; headers?: Record<string, string>; signal: AbortSignal }

function request(url: URL, { body, headers, signal }: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:'
    const client = secure ? process.getBuiltinModule('node:https') : http
    const sent = client.request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
      signal,
      ...(secure ? {} : { agent: keepAlive }),
    })
    sent.on('response', resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length
    if (size > mostAnswerBytes) throw new Error('the answer is too large')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
