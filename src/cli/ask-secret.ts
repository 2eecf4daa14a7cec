import { Writable } from 'node:stream'

import type { Io } from './io.ts'

/**
 * Asks a person for a line that is not shown. Call it only where stdin and stderr are terminals. Gives the lines that came
 * with it, more than one where somebody pasted them; nothing when Ctrl-C or the end came. The terminal is left as it was.
 */
export async function askSecret(io: Io, question: string): Promise<string[] | undefined> {
  const { createInterface } = await import('node:readline')
  const nowhere = new Writable({ write: (_part, _encoding, done) => done() })
  const reader = createInterface({ input: io.stdin, output: nowhere, terminal: true, historySize: 0 })
  const lines: string[] = []
  // Only now does the terminal show no keys any more.
  io.stderr.write(question)
  await new Promise<void>((resolve) => {
    reader.once('close', resolve)
    reader.on('line', (line) => {
      if (lines.push(line) === 1) setImmediate(() => reader.close())
    })
  })
  io.stderr.write('\n')
  return lines.length > 0 ? lines : undefined
}
