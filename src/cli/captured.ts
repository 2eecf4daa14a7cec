import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'

import { placeAt } from '#store/embedded/place.ts'
import type { Io } from './io.ts'
import { main } from './main.ts'

/** What a command line left behind. For tests. */
export type Captured = { code: number; stdout: string; stderr: string }

/** Runs a command line in this process, with what it reads and writes in memory and no terminal. For tests. */
export async function callMain(
  argv: readonly string[],
  given: Partial<Io> & { input?: string } = {},
): Promise<Captured> {
  const stdout = new Sink()
  const stderr = new Sink()
  const { input = '', ...rest } = given
  const code = await main(argv, {
    env: {},
    cwd: process.cwd(),
    stdin: Readable.from([Buffer.from(input)]),
    stdout,
    stderr,
    tty: { stdin: false, stdout: false, stderr: false },
    width: Number.POSITIVE_INFINITY,
    ...rest,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

class Sink extends Writable {
  readonly #parts: Buffer[] = []

  override _write(part: Buffer, _encoding: string, done: () => void): void {
    this.#parts.push(part)
    done()
  }

  text(): string {
    return Buffer.concat(this.#parts).toString('utf8')
  }
}

const sites = `sites:
  - { provider: local, name: here, jurisdictions: [DE], price: $0.10/h, patience: 5s, nodes: 4, shape: { cpus: 1, memory: 1GB } }
`

/** A state directory with one site of four nodes, and its server. For tests. */
export type House = {
  home: string
  env: Record<string, string | undefined>
  isobar(...argv: string[]): Promise<Captured>
  close(): Promise<void>
}

/** Starts a real server on a state directory of its own, with options from its environment. For tests. */
export async function openHouse(declared = sites, more: Record<string, string> = {}): Promise<House> {
  const home = mkdtempSync(join(tmpdir(), 'isobar-cli-'))
  writeFileSync(join(home, 'sites.yaml'), declared)
  const model = process.env['ISOBAR_TEST_MODEL']
  if (model !== undefined) beginWith(model, home)
  const env = { ...process.env, ISOBAR_HOME: home, ISOBAR_PORT: '0', ISOBAR_SERVER: '', DATABASE_URL: '', ...more }
  const isobar = (...argv: string[]) => callMain(argv, { env, cwd: home })
  const started = await isobar('server', 'start')
  if (started.code !== 0) throw new Error(started.stderr)
  return {
    home,
    env,
    isobar,
    async close() {
      const { code, stderr } = await isobar('server', 'stop')
      // As root the database is elsewhere, and would stay.
      const { home: database } = JSON.parse(readFileSync(join(home, 'pg', 'where.json'), 'utf8'))
      rmSync(database, { recursive: true, force: true })
      rmSync(home, { recursive: true, force: true })
      if (code !== 0) throw new Error(stderr)
    },
  }
}

/** Gives a house a database beside that which the test runner made for all, and like it: `initdb` takes longer than most tests. */
function beginWith(model: string, home: string): void {
  const database = placeAt(join(model, '..', '..', randomBytes(6).toString('hex')))
  execFileSync('cp', ['-Rp', model, database.data])
  mkdirSync(join(home, 'pg'), { mode: 0o700 })
  writeFileSync(join(home, 'pg', 'where.json'), JSON.stringify({ home: database.home }))
}
