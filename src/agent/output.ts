import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

import { createLogWriter } from '#kit/bounded-log.ts'
import { agentFiles, mostOutputBytes } from '#model/agent-folder.ts'

/** Where everything that a rank runs writes to. */
export type Output = {
  /** To hand to processes as their standard output and error. */
  descriptor: number
  /** A line of the agent's own, for whoever reads the log. */
  say(line: string): void
  /** Reads what is left, once no process of the rank lives any more. */
  close(): Promise<void>
}

/** What a container writes is kept by whoever runs the container. */
export const containerOutput: Output = {
  descriptor: 1,
  say: (line) => void process.stdout.write(`isobar: ${line}\n`),
  close: () => Promise.resolve(),
}

/** Reads a pipe into a bounded log. One pipe for standard output and error keeps their order. */
export async function openOutput(made: Promise<string>): Promise<Output> {
  const pipe = await made
  const reading = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK)
  const descriptor = openSync(pipe, constants.O_WRONLY)
  const log = createLogWriter(agentFiles.output, mostOutputBytes)
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
