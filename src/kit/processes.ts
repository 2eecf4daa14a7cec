import { execFileSync } from 'node:child_process'
import { close, open, read, readdirSync, readFileSync } from 'node:fs'

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

/** A process as a scan sees it: what it was started with, a pair after the other, each ended by a zero. */
type Scanned = { pid: number; text: string }

let running: Promise<Scanned[]> | undefined
let next: Promise<Scanned[]> | undefined

/**
 * All live processes of this machine that were started with the variable `name`, with this value if one is given; none
 * where there is no /proc. Calls that come while a scan is under way share the one after it (theirs may have passed what
 * they ask for), so that ending many things at once costs few scans.
 */
export async function taggedProcesses(name: string, value?: string): Promise<Tagged[]> {
  next ??= Promise.resolve(running?.catch(() => [])).then(() => {
    running = next
    next = undefined
    return scan()
  })
  const pair = value === undefined ? `${name}=` : `${name}=${value}\0`
  const found = (await next).filter(({ text }) => text.startsWith(pair) || text.includes(`\0${pair}`))
  // Gone meanwhile, or a zombie: none of ours.
  return found.filter(({ pid }) => identify(pid)).map(({ pid, text }) => ({ pid, environment: pairsOf(text) }))
}

/** So many files are open at once. */
const atOnce = 64

async function scan(): Promise<Scanned[]> {
  if (process.platform !== 'linux') return []
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  const found: Scanned[] = []
  for (let at = 0; at < pids.length; at += atOnce)
    found.push(...(await Promise.all(pids.slice(at, at + atOnce).map(scanOne))))
  return found
}

const mostRead = 16 * 1024

/**
 * A kernel thread, another user's and one that is gone have no text. With callbacks, because promises of files cost four
 * times as much, and there may be thousands of processes; and not at once, because a process may keep its reader waiting.
 */
function scanOne(entry: string): Promise<Scanned> {
  const pid = Number(entry)
  return new Promise((resolve) => {
    open(`/proc/${entry}/environ`, 'r', (error, file) => {
      if (error) return resolve({ pid, text: '' })
      const parts: Buffer[] = []
      const readOn = () =>
        read(file, Buffer.allocUnsafe(mostRead), 0, mostRead, null, (failed, bytes, part) => {
          if (!failed) parts.push(part.subarray(0, bytes))
          if (!failed && bytes === mostRead) return readOn()

          close(file, () => resolve({ pid, text: failed ? '' : Buffer.concat(parts).toString('utf8') }))
        })
      readOn()
    })
  })
}

const pairsOf = (text: string): Map<string, string> =>
  new Map(
    text.split('\0').map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
