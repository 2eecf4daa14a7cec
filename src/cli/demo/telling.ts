import { setTimeout as sleep } from 'node:timers/promises'

import { CliFault, exitCodes } from '#cli/fault.ts'
import { colours, note, paint, type Io } from '#cli/io.ts'
import type { Check } from './checks.ts'

/** How a demo speaks and waits. */
export type Telling = {
  io: Io
  /** One line, with the time since the demo began. */
  tell(line: string): void
  /** Throws once somebody has interrupted the demo. */
  goOn(): void
  /** Waits until something is so. If that takes longer than minutes, it is the demo's failure, told with what was waited for. */
  until(what: string, so: () => Promise<boolean>): Promise<void>
  /** Tells what was found true, and gives the exit code for that. */
  judge(checks: readonly Check[]): number
}

const mostMs = 180_000
/** What ends a program that somebody has had enough of. */
export const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Tells a story. Who interrupts it has it take down what it started, which takes seconds and is not interrupted again. */
export async function tellStory(io: Io, story: (telling: Telling) => Promise<number>): Promise<number> {
  const began = Date.now()
  const tell = (line: string): void =>
    note(io, `${paint(clockOf(Date.now() - began), 'dim', colours(io, 'stderr'))}  ${line}`)
  let isOver = false
  const goOn = (): void => {
    if (isOver) throw new CliFault('interrupted; what the demo had started is gone', { code: exitCodes.interrupted })
  }
  const interrupt = (): void => {
    if (!isOver) tell('Interrupted. What was started is being taken down.')
    isOver = true
  }
  for (const name of endings) process.on(name, interrupt)
  try {
    return await story({ io, tell, goOn, until: waiting(goOn), judge: (checks) => judge(checks, { io, tell }) })
  } catch (error) {
    goOn() // what an interruption makes fail is an interruption
    throw error
  } finally {
    for (const name of endings) process.removeListener(name, interrupt)
  }
}

const waiting =
  (goOn: () => void): Telling['until'] =>
  async (what, so) => {
    const deadline = performance.now() + mostMs
    for (goOn(); !(await so()); goOn()) {
      if (performance.now() > deadline) throw new Error(`The demo waited in vain for ${what}`)
      await sleep(100)
    }
  }

function judge(checks: readonly Check[], { io, tell }: Pick<Telling, 'io' | 'tell'>): number {
  const colour = colours(io, 'stderr')
  for (const { claim, ok, detail } of checks)
    tell(`  ${ok ? paint('true ', 'green', colour) : paint('FALSE', 'red', colour)} ${claim} (${detail})`)
  return checks.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed
}

const clockOf = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(5)}s`
