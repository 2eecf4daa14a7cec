import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'

import { asCalled } from './as-called.ts'
import { CliFault, exitCodes } from './fault.ts'

/** What a command reads and writes, and the place where it runs. Data goes to `stdout`, everything else to `stderr`. */
export type Io = {
  env: Record<string, string | undefined>
  cwd: string
  stdin: Readable
  stdout: Writable
  stderr: Writable
  /** Which of the three is a terminal. */
  tty: { stdin: boolean; stdout: boolean; stderr: boolean }
  /** Columns of the terminal on stdout; endless where there is none. */
  width: number
}

/** Of this process. ISOBAR_FORCE_TTY has it write as for a terminal where there is none, of so many columns. */
export function processIo({
  env,
  stdin,
  stdout,
  stderr,
}: Pick<typeof process, 'env' | 'stdin' | 'stdout' | 'stderr'> = process): Io {
  const forced = env.ISOBAR_FORCE_TTY ? Math.max(40, Number(env.ISOBAR_FORCE_TTY) || 80) : 0
  const columns = stdout.isTTY ? stdout.columns || 80 : Number.POSITIVE_INFINITY
  return {
    env,
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    tty: { stdin: stdin.isTTY, stdout: forced > 0 || stdout.isTTY, stderr: forced > 0 || stderr.isTTY },
    width: forced || columns,
  }
}

/** Writes data to stdout, and waits where the reader is slower than we are. */
export async function write(io: Io, data: string | Uint8Array): Promise<void> {
  if (data.length > 0 && !io.stdout.write(data)) await once(io.stdout, 'drain')
}

/** One line for people, on stderr. */
export const note = (io: Io, line: string): void => void io.stderr.write(`${asCalled(io.env, line)}\n`)

/** Whether to colour what goes to a stream: never without a terminal unless CLICOLOR_FORCE says so, never with NO_COLOR. */
export function colours(io: Io, stream: 'stdout' | 'stderr'): boolean {
  if (io.env.NO_COLOR) return false
  if (io.env.CLICOLOR_FORCE && io.env.CLICOLOR_FORCE !== '0') return true
  return io.tty[stream] && io.env.TERM !== 'dumb'
}

const paints = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Paint = keyof typeof paints

/** Colours a text, or leaves it alone. */
export const paint = (text: string, how: Paint | undefined, on: boolean): string =>
  on && how ? `\u001B[${paints[how]}m${text}\u001B[0m` : text

/** Takes what could steer a terminal out of a text that others wrote. */
// oxlint-disable-next-line no-control-regex
export const plain = (text: string): string => text.replaceAll(/[\u0000-\u001F\u007F-\u009F]+/g, ' ')

/** Asks a person for a line. Call it only where stdin and stderr are terminals. Nothing when Ctrl-C or the end came. */
export async function ask(io: Io, question: string): Promise<string | undefined> {
  const { createInterface } = await import('node:readline')
  const reader = createInterface({ input: io.stdin, output: io.stderr, terminal: true })
  return new Promise((resolve) => {
    reader.once('close', () => resolve(undefined))
    reader.question(question, (answer) => {
      resolve(answer)
      reader.close()
    })
  })
}

/** Whether there is someone to ask: a program may give its commands a terminal and read no questions. */
export const canAsk = (io: Io): boolean => io.tty.stdin && io.tty.stderr && !io.env.ISOBAR_PROMPT_DISABLED

/** All of stdin, at most `limit` bytes of it. */
export async function readStdin(io: Io, limit: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of io.stdin) {
    const bytes = Buffer.from(part)
    size += bytes.length
    if (size > limit)
      throw new CliFault(`standard input has more than ${limit} bytes`, { code: exitCodes.usage, next: ['give less'] })
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

/**
 * Tells on stderr that something takes a while, once it has taken `afterMs`: a line that is rewritten on a terminal, one
 * line elsewhere. Returns how to end it.
 */
export function progress(io: Io, text: () => string, afterMs = 1000): () => void {
  let shown = false
  const show = () => {
    if (io.tty.stderr) io.stderr.write(`\r\u001B[K${text()}`)
    else if (!shown) note(io, text())
    shown = true
  }
  let every: NodeJS.Timeout | undefined
  const first = setTimeout(() => {
    show()
    if (io.tty.stderr) every = setInterval(show, 200)
  }, afterMs)
  return () => {
    clearTimeout(first)
    clearInterval(every)
    if (shown && io.tty.stderr) io.stderr.write('\r\u001B[K')
  }
}

/** Runs what can be interrupted: the first Ctrl-C aborts the signal, a second one ends the process as usual. */
export async function interruptible<T>(work: (interrupted: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => controller.abort()
  process.once('SIGINT', interrupt)
  try {
    return await work(controller.signal)
  } catch (error) {
    // What was cut off fails in its own way; what happened is that someone pressed Ctrl-C.
    if (controller.signal.aborted) throw new CliFault('interrupted; what runs goes on', { code: exitCodes.interrupted })
    throw error
  } finally {
    process.removeListener('SIGINT', interrupt)
  }
}
