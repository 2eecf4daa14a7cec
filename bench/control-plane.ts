import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { withPostgres } from '#rigs/postgres.ts'

export const bin = fileURLToPath(new URL('../bin/isobar.js', import.meta.url))

/** A control plane in a process of its own, as people run it, on a durable PostgreSQL that ends with this process. */
export type ControlPlane = {
  pid: number
  /** PostgreSQL's first process. */
  postgres: number
  /** Address of its database. */
  database: string
  url: string
  token: string
  home: string
  /** For commands that ask it. */
  env: NodeJS.ProcessEnv
  post(path: string, body: unknown): Promise<Response>
  get(path: string): Promise<Response>
  stop(): Promise<void>
}

/** Starts one; `flags` go to its Node, `sites` are those of the local provider instead of the measured one. */
export async function startControlPlane({ flags = [] as string[], sites = '' } = {}): Promise<ControlPlane> {
  const embedded = await withPostgres({ durable: true })
  const database = await embedded.database('bench')
  const home = mkdtempSync(join(tmpdir(), 'isobar-bench-'))
  if (sites) writeFileSync(join(home, 'sites.yaml'), sites)
  const env = { ...process.env, ISOBAR_HOME: home, DATABASE_URL: database, ISOBAR_PORT: '0' }
  const child = spawn(process.execPath, [...flags, bin, 'serve', '--detached', '--log-level', 'error'], {
    env,
    cwd: home,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await until(() => existsSync(join(home, 'server.json')), child)
  const url = String(JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')).url)
  const token = readFileSync(join(home, 'token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return {
    pid: child.pid ?? 0,
    postgres: embedded.pid(),
    database,
    url,
    token,
    home,
    env,
    post: (path, body) => fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) }),
    get: (path) => fetch(url + path, { headers }),
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    },
  }
}

/** Waits for something that a process is to bring about. */
async function until(done: () => boolean, child: ChildProcess): Promise<void> {
  for (let tries = 0; !done(); tries++) {
    if (tries > 1500 || child.exitCode !== null) throw new Error('the control plane did not start')
    await pause(20)
  }
}

/** The value below which a share of these lies. */
export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
