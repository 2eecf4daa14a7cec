import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startEmbedded } from '#store/embedded/embedded.ts'
import { placeFor } from '#store/embedded/place.ts'

/** A real control plane in a process of its own, on a state directory of its own, that can be killed and started again. */
export type Victim = {
  home: string
  url: string
  start(): void
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** Resolves with the milliseconds from `start` to the first moment at which it is ready; null when it died before. */
  ready(withinMs: number): Promise<number | null>
  api<T>(method: string, path: string, body?: unknown): Promise<T>
  /** Kills the newest PostgreSQL of this state directory with SIGKILL: the postmaster alone, as the kernel would. */
  killPostgres(): number | null
  close(): Promise<void>
}

const bin = new URL('../../bin/isobar.js', import.meta.url).pathname

/** Makes a state directory with these sites; the control plane starts with `environment` beside that of this process. */
export async function openVictim(options: {
  home: string
  sites: string
  environment?: Record<string, string>
}): Promise<Victim> {
  const { home, sites, environment = {} } = options
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(join(home, 'sites.yaml'), sites)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const server = createProcess({
    ISOBAR_HOME: home,
    ISOBAR_PORT: String(port),
    ISOBAR_LOG_LEVEL: 'warn',
    ...environment,
  })
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, { signal: AbortSignal.timeout(30_000), ...init })
  return {
    home,
    url,
    start: server.start,
    kill: server.kill,
    async ready(withinMs) {
      const deadline = performance.now() + withinMs
      while (performance.now() < deadline) {
        if (!server.runs()) return null
        const answer = await ask('/readyz').catch(() => null)
        if (answer?.ok) return performance.now() - server.startedAt()
        await sleep(20)
      }
      return null
    },
    async api<T>(method: string, path: string, body?: unknown) {
      const reply = await ask(path, {
        method,
        headers: headersOf(home),
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      const text = await reply.text()
      if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 500)}`)
      return JSON.parse(text) as T // the caller names the view that this path gives
    },
    killPostgres() {
      const pid = postmasterOf(home)
      if (pid !== null) process.kill(pid, 'SIGKILL')
      return pid
    },
    async close() {
      await server.kill()
      if (environment['DATABASE_URL'] === undefined) await removeDatabase(home)
    },
  }
}

function createProcess(environment: Record<string, string>) {
  let child: ChildProcess | undefined
  let startedAt = 0
  const runs = () => child !== undefined && child.exitCode === null && child.signalCode === null
  return {
    runs,
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
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
