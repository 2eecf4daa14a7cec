import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { taggedProcesses } from '#kit/processes.ts'
import { placeFor } from '#store/embedded/place.ts'

/** A real control plane in a process of its own, on a state directory of its own, that can be killed and started again. */
export type Victim = {
  home: string
  start(): void
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** Resolves with the milliseconds from `start` to the first moment at which it is ready; null when it died before. */
  ready(withinMs: number): Promise<number | null>
  api<T>(method: string, path: string, body?: unknown): Promise<T>
  /** Kills the newest PostgreSQL of this state directory with SIGKILL: the postmaster alone, as the kernel would. */
  killPostgres(): number | null
  /** Live processes that this control plane's orders started. */
  strays(): Promise<number>
  close(): Promise<void>
}

const bin = new URL('../../bin/isobar.js', import.meta.url).pathname

export function openVictim(sites: string): Victim {
  const home = mkdtempSync(join(tmpdir(), 'isobar-torture-'))
  writeFileSync(join(home, 'sites.yaml'), sites)
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const url = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let startedAt = 0
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, { signal: AbortSignal.timeout(30_000), ...init })
  return {
    home,
    start() {
      startedAt = performance.now()
      const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: String(port), ISOBAR_LOG_LEVEL: 'warn' }
      child = spawn(process.execPath, [bin, 'serve'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child?.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    },
    async ready(withinMs) {
      const deadline = performance.now() + withinMs
      while (performance.now() < deadline) {
        if (child?.exitCode !== null || child.signalCode !== null) return null
        const answer = await ask('/readyz').catch(() => null)
        if (answer?.ok) return performance.now() - startedAt
        await sleep(20)
      }
      return null
    },
    async api<T>(method: string, path: string, body?: unknown) {
      const token = readFileSync(join(home, 'token'), 'utf8').trim()
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const reply = await ask(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      const text = await reply.text()
      if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text.slice(0, 500)}`)
      return JSON.parse(text) as T // the caller names the view that this path gives
    },
    killPostgres() {
      const pid = postmasterOf(home)
      if (pid !== null) process.kill(pid, 'SIGKILL')
      return pid
    },
    strays: async () => {
      const tagged = await taggedProcesses('ISOBAR_LEASE')
      return tagged.filter(({ environment }) => environment.get('TORTURE_HOME') === home).length
    },
    async close() {
      await this.kill()
      const pid = postmasterOf(home)
      if (pid !== null) process.kill(pid, 'SIGQUIT')
      rmSync(placeFor(home).home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    },
  }
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
