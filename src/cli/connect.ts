import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { makeFolderSync } from '#kit/make-folder.ts'

import { createApi, readText, type Api } from './client.ts'
import { CliFault, exitCodes } from './fault.ts'
import { homeOf, isAlive, readServerFile, readToken, serverLog, startLog, tailOf, type ServerFile } from './home.ts'
import { note, progress, type Io } from './io.ts'
import { version } from './version.ts'

/** How long a server may take from its start to its first answer. */
const startMs = 15_000
/** With less than this a start may fail without a word. */
const leastFreeBytes = 1024 ** 2
const bin = fileURLToPath(new URL('../../bin/isobar.js', import.meta.url))

/**
 * The server to talk to: the one that ISOBAR_SERVER names, or the one of the state directory, which is started if none
 * runs. Two commands at once meet the same server, because a second server refuses to start on the same directory.
 */
export async function connect(io: Io): Promise<Api> {
  const remote = remoteServer(io)
  if (remote) return remote
  const home = homeOf(io)
  const running = await findServer(home)
  const server = running ?? (await startServer(io, home))
  if (server.version && server.version !== version)
    note(
      io,
      `warning: the server is version ${server.version}, this command ${version}. next: isobar server stop (it starts again, what runs goes on)`,
    )
  return createApi({ url: server.url, token: io.env.ISOBAR_TOKEN || readToken(home) })
}

/** The server of the state directory if it runs; none is started. */
export async function connectRunning(io: Io): Promise<Api | undefined> {
  const remote = remoteServer(io)
  if (remote) return remote
  const home = homeOf(io)
  const server = await findServer(home)
  return server && createApi({ url: server.url, token: io.env.ISOBAR_TOKEN || readToken(home) })
}

function remoteServer(io: Io): Api | undefined {
  const { env } = io
  if (!env.ISOBAR_SERVER) return undefined
  if (!URL.canParse(env.ISOBAR_SERVER))
    throw new CliFault(`ISOBAR_SERVER is "${env.ISOBAR_SERVER}", which is no address`, {
      code: exitCodes.usage,
      next: ['export ISOBAR_SERVER=http://127.0.0.1:7411'],
    })
  const ifAway = 'start it there, or use the one of this machine: unset ISOBAR_SERVER'
  let told = false
  const answered = (theirs: string) => {
    if (!told && theirs !== '' && theirs !== version)
      note(
        io,
        `warning: the server is version ${theirs}, this command ${version}. next: use version ${theirs} here, or update the server`,
      )
    told = true
  }
  return createApi({ url: env.ISOBAR_SERVER, token: env.ISOBAR_TOKEN ?? '', ifAway, answered })
}

/** The server that the state directory names, when its process lives and it answers. */
async function findServer(home: string): Promise<ServerFile | undefined> {
  const file = readServerFile(home)
  return file && isAlive(file.pid) && (await answers(file.url)) ? file : undefined
}

/** Whether a server answers at an address. */
async function answers(url: string): Promise<boolean> {
  try {
    const response = await createApi({ url, token: '' }).raw('GET', '/healthz', { silenceMs: 1000 })
    await readText(response)
    return response.statusCode === 200
  } catch {
    return false
  }
}

/**
 * Starts the server of a state directory in the background and waits until it answers. When another one won the race
 * for the directory (exit code 5), that one is waited for.
 */
export async function startServer(io: Io, home: string): Promise<ServerFile> {
  const began = Date.now()
  const child = launch(io, home)
  const stop = progress(io, () => `starting the server … ${Math.round((Date.now() - began) / 1000)} s`)
  try {
    while (Date.now() - began < startMs) {
      const server = await findServer(home)
      if (server) return server
      const code = child.failed()
      if (code !== undefined && !(code === exitCodes.conflict && existsSync(join(home, 'lock')))) break
      await sleep(25)
    }
  } finally {
    stop()
    child.release()
  }
  throw notStarted(home, child.failed())
}

/** Why the server did not come up, in its own words where it had some. */
function notStarted(home: string, code: number | undefined): CliFault {
  const lines = tailOf(startLog(home), 30).split('\n')
  const at = lines.findLastIndex((line) => line.startsWith('error: '))
  const [what, ...rest] = at < 0 ? [] : lines.slice(at)
  const next = rest.at(-1)?.startsWith('next: ') ? rest.pop() : undefined
  const foreground = `isobar serve (in the foreground; the log is ${serverLog(home)})`
  if (code !== undefined && what)
    return new CliFault(`the server cannot start: ${what.slice('error: '.length)}`, {
      code,
      why: rest.join('\n'),
      next: [next?.slice('next: '.length) ?? foreground],
    })
  // Then it could not even write down why.
  if (code !== undefined && isFull(home)) return diskFull(home)
  const how = code === undefined ? `does not answer after ${startMs / 1000} s` : `ended with exit code ${code}`
  return new CliFault(`the server was started and ${how}`, {
    why: tailOf(startLog(home)) || tailOf(serverLog(home)),
    next: [foreground],
  })
}

const isFull = (home: string): boolean => {
  const { bavail, bsize } = statfsSync(home)
  return bavail * bsize < leastFreeBytes
}

const diskFull = (home: string): CliFault =>
  new CliFault(`the server cannot start: the disk of the state directory ${home} is full`, {
    next: [`df -h ${home} (then free some space there, or set ISOBAR_HOME to a larger disk)`],
  })

function openStartLog(home: string): number {
  try {
    makeFolderSync(dirname(startLog(home)))
    return openSync(startLog(home), 'w', 0o600)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') throw diskFull(home)
    throw new CliFault(`the state directory ${home} cannot be used`, {
      why: error instanceof Error ? error.message : String(error),
      next: ['make it a folder that you may write, or choose another: export ISOBAR_HOME=<directory>'],
    })
  }
}

function launch(io: Io, home: string): { failed: () => number | undefined; release: () => void } {
  const log = openStartLog(home)
  const child = spawn(process.execPath, [bin, 'serve', '--detached'], {
    cwd: home,
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...io.env, ISOBAR_HOME: home },
  })
  closeSync(log)
  let failed: number | undefined
  child.once('exit', (code) => (failed = code ?? exitCodes.failed))
  child.once('error', () => (failed = exitCodes.failed))
  return { failed: () => failed, release: () => child.unref() }
}

/** Waits until a process has ended, at most so long. */
export async function waitForEnd(pid: number, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds
  while (isAlive(pid) && Date.now() < deadline) await sleep(25)
  return !isAlive(pid)
}
