import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { WorkloadPage } from '#api/views.ts'
import type { Call } from '#cli/call.ts'
import { completionScript, isShell, shells } from '#cli/completion-script.ts'
import { connectRunning } from '#cli/connect.ts'
import { CliFault, exitCodes } from '#cli/fault.ts'
import { homeOf } from '#cli/home.ts'
import { write } from '#cli/io.ts'
import { makeFolderSync } from '#kit/make-folder.ts'

/** `isobar completion` */
export async function completion(call: Call): Promise<void> {
  const [shell = ''] = call.args
  if (!isShell(shell))
    throw new CliFault(`there is no completion for "${shell}"`, {
      code: exitCodes.usage,
      why: `There is one for ${shells.join(', ')}.`,
      next: ['isobar completion bash'],
    })
  await write(call.io, completionScript(shell, call.tree))
}

/** A list that is younger is taken as it is. */
const freshMs = 5000
/** Nobody waits longer for a word to be completed. */
const patienceMs = 150

/** Names of workloads for the scripts: from a list kept on disk, or from a server that runs and answers at once. */
export async function completeWorkloads(call: Call): Promise<void> {
  const path = join(homeOf(call.io), 'cache', 'names')
  const kept = read(path)
  if (kept && kept.ageMs < freshMs) return write(call.io, kept.text)
  const asked = await Promise.race([ask(call), sleep(patienceMs, undefined)])
  if (asked !== undefined) keep(path, asked)
  await write(call.io, asked ?? kept?.text ?? '')
}

async function ask(call: Call): Promise<string | undefined> {
  try {
    const api = await connectRunning(call.io)
    if (!api) return undefined
    const { items } = await api.get<WorkloadPage>('/v1/workloads', { state: 'all', pageSize: 200 })
    return [...new Set(items.map(({ name }) => name))].map((name) => `${name}\n`).join('')
  } catch {
    return undefined // no names are no harm
  }
}

function read(path: string): { text: string; ageMs: number } | undefined {
  try {
    return { text: readFileSync(path, 'utf8'), ageMs: Date.now() - statSync(path).mtimeMs }
  } catch {
    return undefined
  }
}

function keep(path: string, text: string): void {
  try {
    makeFolderSync(dirname(path))
    writeFileSync(path, text, { mode: 0o600 })
  } catch {
    // Without the list the next one asks again.
  }
}
