import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { CliFault } from './fault.ts'
import type { Io } from './io.ts'

const stay = (): void => {}

/** Does something with a pager as its stdout, and waits until the reader has had enough. */
export async function throughPager(io: Io, pager: string, work: (io: Io) => Promise<number | void>): Promise<number> {
  const [program = '', ...words] = pager.split(/\s+/)
  // As git has it: colours pass, and what fits the screen is only written.
  const child = spawn(program, words, { stdio: ['pipe', 'inherit', 'inherit'], env: { LESS: 'FRX', ...io.env } })
  await once(child, 'spawn').catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliFault(`the pager ${program} cannot be started`, { why, next: ['ISOBAR_PAGER= isobar …'] })
  })
  const closed = once(child, 'close')
  let hasEnough = false
  child.stdin.on('error', () => (hasEnough = true))
  // Ctrl-C is for the pager.
  process.on('SIGINT', stay)
  try {
    const code = await Promise.race([work({ ...io, stdout: child.stdin }), closed.then(() => 0)])
    return code ?? 0
  } catch (error) {
    if (hasEnough) return 0
    throw error
  } finally {
    child.stdin.end()
    await closed
    process.off('SIGINT', stay)
  }
}
