import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

import { createLogWriter } from '#kit/bounded-log.ts'
import { agentFiles } from '#model/agent-folder.ts'

/** Where everything that a rank runs writes to. */
export type Output = {
  /** To hand to processes as their standard output and error. */
  descriptor: number
  /** A line of the agent's own, for whoever reads the log. */
  say(line: string): void
  /** Reads what is left, once no process of the rank lives any more. */
  close(): Promise<void>
}

const mostBytes = 64 * 1024 * 1024

/**
 * A pipe with a name, read into a bounded log. One pipe for standard output and error keeps their order; a name,
 * unlike the sockets that Node makes, lets programs open `/dev/stdout` and `/dev/stderr` again.
 */
export async function openOutput(): Promise<Output> {
  const pipe = 'pipe'
  // The first report leaves before a process is forked for this: others may be waiting for it.
  await new Promise(setImmediate)
  const making = spawn('mkfifo', ['-m', '600', pipe], { stdio: 'ignore' })
  const [code] = await once(making, 'exit')
  if (code !== 0) throw new Error(`mkfifo ended with ${code}: no pipe can be made in ${process.cwd()}`)
  const reading = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const descriptor = openSync(pipe, constants.O_WRONLY)
  const log = createLogWriter(agentFiles.output, mostBytes)
  const reader = new Socket({ fd: reading, readable: true, writable: false })
  reader.on('data', (bytes: Buffer) => log.write(bytes))
  const over = once(reader, 'close')
  return {
    descriptor,
    say: (line) => log.write(Buffer.from(`isobar: ${line}\n`)),
    async close() {
      closeSync(descriptor)
      // A process that we could not find may hold the pipe for ever; it does not hold the rank.
      const given = setTimeout(() => reader.destroy(), 2000)
      await over
      clearTimeout(given)
      log.close()
    },
  }
}
