import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { CliFault, exitCodes } from '#cli/fault.ts'
import type { Io } from '#cli/io.ts'
import { endings } from './telling.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The program that starts real servers and tells what happens on them. It belongs to the rigs of a checkout. */
export function programIn(folder: string): string {
  const program = join(folder, 'test', 'real', 'demo.ts')
  if (existsSync(program)) return program
  throw new CliFault('this installation of Isobar has no real servers to show', {
    why: `They are started by the rigs of a checkout, and there is no ${program}.`,
    next: ['isobar demo', 'npm ci && npx isobar demo --real (in a checkout of Isobar)'],
  })
}

/**
 * Runs it to its end, whose exit code is ours. It has a process group of its own: a terminal tells us of Ctrl-C, and we
 * tell the group, so that it hears of it once.
 */
export async function runReal(io: Io): Promise<number> {
  const child = spawn(process.execPath, [programIn(root)], {
    cwd: root,
    env: io.env,
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  })
  const passOn = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, name)
  }
  for (const name of endings) process.on(name, passOn)
  try {
    const [code] = (await once(child, 'exit')) as [number | null]
    return code ?? exitCodes.interrupted
  } finally {
    for (const name of endings) process.removeListener(name, passOn)
  }
}
