import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'

import { makeFolderSync } from '#kit/make-folder.ts'
import { ServerProblem } from './server-problem.ts'

/** Makes the state directory, and lets only its owner in. */
export function makeHome(home: string): void {
  try {
    makeFolderSync(home)
    if ((statSync(home).mode & 0o077) !== 0) chmodSync(home, 0o700)
  } catch (cause) {
    throw new ServerProblem(
      'failed',
      `The state directory ${home} cannot be used (${messageOf(cause)}).\nMake it writable, or choose another: ISOBAR_HOME=<directory>`,
      { cause },
    )
  }
}

/** Replaces a file whole or not at all; only its owner reads it. */
export function writeState(path: string, content: string): void {
  const beside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(beside, content, { mode: 0o600, flush: true })
    renameSync(beside, path)
  } catch (cause) {
    rmSync(beside, { force: true })
    throw cannotWrite(path, cause)
  }
}

/** Makes a file with its content at once; false when it is there already. */
export function createState(path: string, content: string): boolean {
  const beside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(beside, content, { mode: 0o600, flush: true })
    linkSync(beside, path)
    return true
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return false
    throw cannotWrite(path, cause)
  } finally {
    rmSync(beside, { force: true })
  }
}

/** The content of a file, or null when there is none. */
export function readState(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return null
    throw new ServerProblem(
      'failed',
      `${path} cannot be read (${messageOf(cause)}).\nGive it back to its owner: ls -l ${path}`,
      {
        cause,
      },
    )
  }
}

/** A file as JSON; null when there is none, or none that is whole. */
export function readStateJson(path: string): unknown {
  try {
    return JSON.parse(readState(path) ?? 'null')
  } catch (error) {
    if (error instanceof ServerProblem) throw error
    return null
  }
}

/** The content of a file that holds a secret: made at the first start, and refused when others may read it. */
export function secretState(path: string, make: () => string): string {
  createState(path, `${make()}\n`)
  const others = statSync(path).mode & 0o077
  if (others !== 0)
    throw new ServerProblem(
      'failed',
      `${path} holds a secret, and others may read it.\nClose it, and make a new one if somebody may have: chmod 600 ${path}`,
    )
  return (readState(path) ?? '').trim()
}

const cannotWrite = (path: string, cause: unknown): ServerProblem =>
  new ServerProblem(
    'failed',
    codeOf(cause) === 'ENOSPC'
      ? `The disk that holds ${path} is full.\nFree some space, then try again: df -h ${path}`
      : `${path} cannot be written (${messageOf(cause)}).\nMake its folder writable, or choose another: ISOBAR_HOME=<directory>`,
    { cause },
  )

export const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
