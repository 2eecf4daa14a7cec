import { randomBytes } from 'node:crypto'
import { linkSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { z } from 'zod'

import { birthOf } from './process-birth.ts'
import { ServerProblem } from './server-problem.ts'
import { codeOf, createState, readState, readStateJson } from './state-file.ts'

const Owner = z.object({ pid: z.int(), birth: z.string() })
const ServerFile = z.object({ url: z.string() })

/** Makes this process the only server of a state directory, until the returned function is called. */
export function lockHome(home: string): () => void {
  const path = join(home, 'lock')
  const mine = JSON.stringify({ pid: process.pid, birth: birthOf(process.pid) ?? '' })
  for (let tries = 0; tries < 20; tries++) {
    if (createState(path, mine)) return () => unlock(path, mine)
    const theirs = readState(path)
    if (theirs === null) continue // it was released this moment
    const owner = ownerOf(theirs)
    if (owner && birthOf(owner.pid) === owner.birth) throw taken(home, owner.pid)
    setAside(path, theirs)
  }
  throw new ServerProblem('conflict', `Several servers start on ${home} at once.\nTry again: isobar server status`)
}

function ownerOf(text: string): z.infer<typeof Owner> | null {
  try {
    return Owner.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function taken(home: string, pid: number): ServerProblem {
  const running = ServerFile.safeParse(readStateJson(join(home, 'server.json')))
  const where = running.success ? ` at ${running.data.url}` : ', which is just starting'
  return new ServerProblem(
    'conflict',
    `A server with this state directory (${home}) runs already: process ${pid}${where}.\n` +
      'Use that one, or end it first: isobar server stop',
  )
}

/** Removes the lock of a dead server; one that somebody took meanwhile is put back. */
function setAside(path: string, stale: string): void {
  const aside = `${path}.${randomBytes(6).toString('hex')}`
  try {
    renameSync(path, aside)
    if (readState(aside) !== stale) linkSync(aside, path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function unlock(path: string, mine: string): void {
  if (readState(path) === mine) rmSync(path, { force: true })
}
