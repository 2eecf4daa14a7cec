import { execFileSync } from 'node:child_process'
import { closeSync, openSync, read, readdirSync, readFile, readFileSync, readSync } from 'node:fs'

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

/** A look at all processes, and which values of a variable it is for: without one it is for all that have the variable. */
type Scan = { wanted: Set<string | undefined>; found: Promise<Tagged[]> }

/** For each variable the scan that is under way, and the one after it. */
const scans = new Map<string, { running?: Scan; next?: Scan }>()

/**
 * All live processes of this machine that were started with the variable `name`, with this value if one is given; none
 * where there is no /proc. Calls that come while a scan is under way share the one after it (theirs may have passed what
 * they ask for), so that ending many things at once costs few scans.
 */
export async function taggedProcesses(name: string, value?: string): Promise<Tagged[]> {
  const found = await nextScan(name, value).found
  const wanted = value === undefined ? found : found.filter(({ environment }) => environment.get(name) === value)
  // Gone meanwhile, or a zombie: none of ours.
  return wanted.filter(({ pid }) => identify(pid))
}

function nextScan(name: string, value: string | undefined): Scan {
  const { running, next } = scans.get(name) ?? {}
  if (next) {
    next.wanted.add(value)
    return next
  }
  const wanted = new Set([value])
  const found = Promise.resolve(running?.found.catch(() => [])).then(() => {
    scans.set(name, { running: mine })
    return scan(name, wanted)
  })
  const mine: Scan = { wanted, found }
  scans.set(name, { ...(running && { running }), next: mine })
  return mine
}

/** So many processes are read at once, each into a buffer that the next one reads into again. */
const atOnce = 16
const mostRead = 16 * 1024

/** Keeps nothing of the many that nobody asks for: an agent has little memory, and there may be thousands of processes. */
async function scan(name: string, wanted: ReadonlySet<string | undefined>): Promise<Tagged[]> {
  const pids = allPids()
  const found: Tagged[] = []
  let at = 0
  const reader = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(mostRead)
    for (let pid = pids[at++]; pid !== undefined; pid = pids[at++])
      found.push(...taggedWith(pid, await readEnviron(pid, buffer), { name, wanted }))
  }
  await Promise.all(Array.from({ length: atOnce }, reader))
  return found
}

/**
 * The same at once, in half the time, for a caller that has nothing else to do: a process may keep its reader waiting, as
 * one does for as long as it copies itself.
 */
export function taggedProcessesSync(name: string, value: string): Tagged[] {
  const buffer = Buffer.allocUnsafe(mostRead)
  const which = { name, wanted: new Set([value]) }
  const found = allPids().flatMap((pid) => taggedWith(pid, readEnvironSync(pid, buffer), which))
  return found.filter(({ pid }) => identify(pid))
}

const allPids = (): string[] =>
  process.platform === 'linux' ? readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)) : []

type Which = { name: string; wanted: ReadonlySet<string | undefined> }

/** A process if it is one of those that are wanted, else none. */
function taggedWith(pid: string, environ: Buffer | undefined, { name, wanted }: Which): Tagged[] {
  const value = environ && valueIn(environ, name)
  if (!environ || value === undefined || !(wanted.has(undefined) || wanted.has(value))) return []
  return [{ pid: Number(pid), environment: pairsOf(environ.toString('utf8')) }]
}

/**
 * What a process was started with, a pair after the other, each ended by a zero; nothing of a kernel thread, another
 * user's and one that is gone. Only the reading itself may be kept waiting by the process, and so waits beside us:
 * handing over opening and closing as well costs twice as much as doing them.
 */
function readEnviron(pid: string, buffer: Buffer): Promise<Buffer | undefined> | undefined {
  const path = `/proc/${pid}/environ`
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  return new Promise((resolve) => {
    read(file, buffer, 0, buffer.length, null, (failed, bytes) => {
      closeSync(file)
      if (failed) resolve(undefined)
      else if (bytes < buffer.length) resolve(buffer.subarray(0, bytes))
      else readFile(path, (again, whole) => resolve(again ? undefined : whole))
    })
  })
}

function readEnvironSync(pid: string, buffer: Buffer): Buffer | undefined {
  const path = `/proc/${pid}/environ`
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const bytes = readSync(file, buffer, 0, buffer.length, null)
    return bytes === buffer.length ? readFileSync(path) : buffer.subarray(0, bytes)
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** The value of a variable, the last one if it has several; nothing where it is not among the pairs. */
function valueIn(environ: Buffer, name: string): string | undefined {
  const key = `${name}=`
  const at = environ.lastIndexOf(`\0${key}`)
  if (at === -1 && environ.toString('latin1', 0, key.length) !== key) return undefined
  const from = at + 1 + key.length
  const end = environ.indexOf(0, from)
  return environ.toString('utf8', from, end === -1 ? environ.length : end)
}

const pairsOf = (text: string): Map<string, string> =>
  new Map(
    text.split('\0').map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
