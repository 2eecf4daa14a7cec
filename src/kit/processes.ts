import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'

/** A process that cannot be mistaken for a later one of the same number. */
export type ProcessIdentity = { pid: number; started: string }

let bootId: string | undefined

/** Who has the number `pid` now, or nothing where no live process has it. A zombie does not live. */
export function identify(pid: number): ProcessIdentity | undefined {
  if (process.platform !== 'linux') return identifyByPs(pid)
  const stat = readStat(pid)
  if (!stat) return undefined
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return { pid, started: `${bootId}/${stat.startTime}` }
}

function readStat(pid: number): { group: number; startTime: string } | undefined {
  try {
    // The name of the program stands in parentheses and may hold anything; what follows the last one is split by spaces.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , group, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? undefined : { group: Number(group), startTime: rest[16] ?? '' }
  } catch {
    return undefined
  }
}

function identifyByPs(pid: number): ProcessIdentity | undefined {
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 5000 }).trim()
    return started === '' ? undefined : { pid, started }
  } catch {
    return undefined
  }
}

/** Whether this very process still lives. */
export const lives = (who: ProcessIdentity): boolean => identify(who.pid)?.started === who.started

/**
 * Whether a process of the group still lives. Zombies do not count: in a container whose first process reaps none
 * they stay for ever.
 */
export function groupLives(group: number): boolean {
  if (!signal(-group, 0)) return false
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && readStat(Number(entry))?.group === group)
}

/** Sends a signal to a process or, with `-pid`, to its group; `false` when there is none. Signal 0 only asks. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    // The process exists but is not ours to signal: for whoever asks whether any is left, it is.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** A live process with the environment it was started with. */
export type Tagged = { pid: number; environment: Map<string, string> }

let running: Promise<Tagged[]> | undefined
let next: Promise<Tagged[]> | undefined

/**
 * All live processes of this machine that were started with the variable `name`; none where there is no /proc. Calls
 * that come while a scan is under way share the one after it (theirs may have passed what they ask for), so that ending
 * many things at once costs few scans.
 */
export async function taggedProcesses(name: string): Promise<Tagged[]> {
  next ??= Promise.resolve(running?.catch(() => [])).then(() => {
    running = next
    next = undefined
    return scan()
  })
  return (await next).filter((found) => found.environment.has(name))
}

async function scan(): Promise<Tagged[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number)
  const found = await Promise.all(pids.map(readTagged))
  return found.filter((tagged) => tagged !== undefined)
}

async function readTagged(pid: number): Promise<Tagged | undefined> {
  // Gone meanwhile, a kernel thread or another user's: none of ours.
  const text = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  if (text === '' || !identify(pid)) return undefined
  const pairs = text.split('\0').map((pair): [string, string] => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)]
  })
  return { pid, environment: new Map(pairs) }
}
