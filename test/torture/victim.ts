import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { placeFor } from '#store/embedded/place.ts'
import { atExit } from './at-exit.ts'

/** A real control plane in a process of its own, on a state directory of its own, that can be killed and started again. */
export type Victim = {
  home: string
  url: string
  start(): void
  runs(): boolean
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP: it does nothing until `wake`, and does not know of it. */
  stop(): void
  wake(): void
  /** Resolves with the milliseconds from `start` to the first moment at which it is ready; null when it died before. */
  ready(withinMs: number): Promise<number | null>
  /** What it answers as JSON; throws `Refused` when it answers with an error. */
  api<T>(method: string, path: string, options?: Asked): Promise<T>
  /** The same for what is read as plain text. */
  text(path: string): Promise<string>
  /** The process of its private PostgreSQL; null while that is dead. */
  postmaster(): number | null
  close(): Promise<void>
}

/** `key`: of idempotency. */
type Asked = { body?: unknown; key?: string; withinMs?: number }

/** An answer that is not one of success. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const bin = new URL('../../bin/isobar.js', import.meta.url).pathname

/** Makes a state directory with these sites; the control plane starts with `environment` beside that of this process. */
export async function openVictim(options: {
  home: string
  sites: string
  environment?: Record<string, string>
  port?: number
}): Promise<Victim> {
  const { home, sites, environment = {}, port = await freePort() } = options
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'sites.yaml'), sites)
  const url = `http://127.0.0.1:${port}`
  const server = createProcess({
    ISOBAR_HOME: home,
    ISOBAR_PORT: String(port),
    ISOBAR_LOG_LEVEL: 'warn',
    ...environment,
  })
  const ask = async (path: string, { withinMs = 30_000, ...init }: RequestInit & { withinMs?: number } = {}) =>
    fetch(`${url}${path}`, { signal: AbortSignal.timeout(withinMs), ...init })
  const told = async (method: string, path: string, { body, key, withinMs = 30_000 }: Asked = {}): Promise<string> => {
    const reply = await ask(path, {
      method,
      withinMs,
      headers: { ...headersOf(home), ...(key === undefined ? {} : { 'idempotency-key': key }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    if (!reply.ok) throw new Refused(reply.status, `${method} ${path}: ${reply.status} ${text.slice(0, 500)}`)
    return text
  }
  return {
    home,
    url,
    ...server,
    async ready(withinMs) {
      const deadline = performance.now() + withinMs
      while (performance.now() < deadline) {
        if (!server.runs()) return null
        const answer = await ask('/readyz', { withinMs: 5_000 }).catch(() => null)
        if (answer?.ok) return performance.now() - server.startedAt()
        await sleep(20)
      }
      return null
    },
    async api<T>(method: string, path: string, asked: Asked = {}) {
      return JSON.parse(await told(method, path, asked)) as T // the caller names the view that this path gives
    },
    text: (path) => told('GET', path),
    postmaster: () => postmasterOf(home),
    async close() {
      server.wake()
      await server.kill()
      if (environment['DATABASE_URL'] === undefined) await removeDatabase(home)
    },
  }
}

function createProcess(environment: Record<string, string>) {
  let child: ChildProcess | undefined
  let startedAt = 0
  const runs = () => child !== undefined && child.exitCode === null && child.signalCode === null
  atExit(() => child?.kill('SIGKILL'))
  return {
    runs,
    stop: () => void child?.kill('SIGSTOP'),
    wake: () => void child?.kill('SIGCONT'),
    startedAt: () => startedAt,
    start() {
      startedAt = performance.now()
      const { DATABASE_URL: _, TORTURE_VERBOSE: verbose, ...inherited } = process.env
      child = spawn(process.execPath, [bin, 'serve'], {
        env: { ...inherited, ...environment },
        stdio: ['ignore', 'ignore', verbose ? 'inherit' : 'ignore'],
      })
    },
    async kill() {
      if (!child || !runs()) return
      const gone = new Promise((resolve) => child?.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
  }
}

function headersOf(home: string): Record<string, string> {
  const token = readFileSync(join(home, 'token'), 'utf8').trim()
  return { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
}

async function removeDatabase(home: string): Promise<void> {
  const database = await startEmbedded(home)
  await database.remove()
}

/** The process of the embedded PostgreSQL, by the file that PostgreSQL itself keeps. */
function postmasterOf(home: string): number | null {
  try {
    const pid = Number(readFileSync(join(placeFor(home).data, 'postmaster.pid'), 'utf8').split('\n')[0])
    process.kill(pid, 0)
    return pid
  } catch {
    return null // no such file, or a stale one
  }
}

/** A port that nobody listens on now; agents dial it again after each restart. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
