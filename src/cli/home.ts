import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

import type { Io } from './io.ts'

/** The state directory: ISOBAR_HOME, or `.isobar` in the home folder. */
export const homeOf = (io: Io): string => resolve(io.cwd, io.env.ISOBAR_HOME || join(homedir(), '.isobar'))

/** What a running server wrote down about itself. */
export type ServerFile = { pid: number; url: string; version?: string }

export const readServerFile = (home: string): ServerFile | undefined => readAddress(join(home, 'server.json'))

/** What a gateway that runs on this machine wrote down about itself. */
export const gatewayFile = (home: string): string => join(home, 'gateway.json')

/** The address of the gateway of this machine, if one runs. */
export function gatewayUrl(home: string): string | undefined {
  const file = readAddress(gatewayFile(home))
  return file && isAlive(file.pid) ? file.url : undefined
}

function readAddress(path: string): ServerFile | undefined {
  try {
    const file: Partial<ServerFile> = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof file.pid !== 'number' || typeof file.url !== 'string') return undefined
    return { ...file, pid: file.pid, url: file.url }
  } catch {
    return undefined
  }
}

export function readToken(home: string): string {
  try {
    return readFileSync(join(home, 'token'), 'utf8').trim()
  } catch {
    return ''
  }
}

/** Whether a process lives, be it ours or not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

export const serverLog = (home: string): string => join(home, 'logs', 'server.log')

/** What a server said on its way up, before it had a log. */
export const startLog = (home: string): string => join(home, 'logs', 'start.log')

/** The last lines of a file, for an error. */
export function tailOf(path: string, lines = 8): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}
