import { writeSync } from 'node:fs'

import { asCalled } from './as-called.ts'
import { CliFault, exitCodes } from './fault.ts'
import { faultFor, formatAskedFor } from './fault-data.ts'
import { colours, paint, processIo, type Io } from './io.ts'
import { buildProgram, splitRest } from './program.ts'
import { tree } from './tree.ts'

/** Runs the command of this process, or another, and leaves its exit code behind. */
export async function start(run = (io: Io) => main(process.argv.slice(2), io)): Promise<void> {
  const io = processIo()
  // Whoever reads us may have enough before we are done (`isobar ps | head`); that is no error.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', lost)
  const code = await run(io)
  process.exitCode = code
  // Streams and sockets that are still open must not keep us; what was written must get out first.
  process.stdout.write('', (error) => (error ? lost(error) : process.stderr.write('', () => process.exit(code))))
}

/** What was written did not arrive. */
function lost(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(exitCodes.done)
  try {
    writeSync(2, `error: the output cannot be written (${error.message})\nnext: df -h\n`)
  } finally {
    process.exit(exitCodes.failed)
  }
}

/** Runs one command line and returns its exit code. Nothing is thrown. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.done
  const run = async () => {
    const [words, rest] = splitRest(argv)
    const program = buildProgram({ tree, io, rest, ended: (ended) => (code = ended) })
    await program.parseAsync(words, { from: 'user' })
    return code
  }
  return told(run, io, formatAskedFor(argv))
}

/** Does something, and tells why it could not be done as all commands do. Returns its exit code. Nothing is thrown. */
export async function told(
  run: () => Promise<number>,
  io: Io,
  format?: ReturnType<typeof formatAskedFor>,
): Promise<number> {
  try {
    return await run()
  } catch (error) {
    const fault = error instanceof CliFault ? error : unexpected(error)
    if (fault.code === exitCodes.done) return fault.code
    if (io.env.ISOBAR_DEBUG && error instanceof Error) io.stderr.write(`${error.stack}\n`)
    const text = faultFor(fault, format)
    if (format) io.stderr.write(text)
    else io.stderr.write(asCalled(io.env, text).replace(/^error:/, paint('error:', 'red', colours(io, 'stderr'))))
    return fault.code
  }
}

function unexpected(error: unknown): CliFault {
  const why = error instanceof Error ? error.message : String(error)
  return new CliFault(why, { next: ['ISOBAR_DEBUG=1 isobar … (shows where it comes from)'] })
}
