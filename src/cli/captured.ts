import { Readable, Writable } from 'node:stream'

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
