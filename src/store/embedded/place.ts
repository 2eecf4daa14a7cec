import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { makeFolderSync } from '#kit/make-folder.ts'
import { type Account, unprivilegedAccount } from './account.ts'
import { StoreProblem } from './store-problem.ts'

/** Where a private database lives, and who runs it. */
export type Place = {
  /** Only its owner may enter; `data`, `socket` (unless its path is too long) and `log` are inside. */
  home: string
  data: string
  /** Folder of the Unix socket. */
  socket: string
  log: string
  /** Where copies of the programs may go. */
  copies: string
  account: Account | null
}

/** Where the databases of root are: an unprivileged account can reach this, and not what is below a private home. */
const rootsPlace = '/var/lib/isobar'

/**
 * The place that belongs to a state directory, made if need be: inside it, or, when we are root, below /var/lib/isobar
 * where PostgreSQL's account can reach it. Which one is written in the state directory, in `pg/where.json`.
 */
export function placeFor(stateDirectory: string): Place {
  const record = join(stateDirectory, 'pg', 'where.json')
  const account = unprivilegedAccount()
  try {
    makeFolderSync(dirname(record))
    const recorded = existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as { home: string }) : null // ours
    if (recorded && recorded.home.startsWith(rootsPlace) && !account) throw new StoreProblem(madeByRoot(stateDirectory))
    const home = recorded?.home ?? (account ? join(rootsPlace, randomBytes(8).toString('hex')) : dirname(record))
    const place = placeAt(home, account)
    if (!recorded) writeFileSync(record, `${JSON.stringify({ home })}\n`, { mode: 0o600 })
    return place
  } catch (error) {
    if (error instanceof StoreProblem) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new StoreProblem(
      `The database has no place at ${stateDirectory} (${why}).\nMake it writable, or choose another: ISOBAR_HOME=<directory>`,
      { cause: error },
    )
  }
}

const madeByRoot = (stateDirectory: string): string =>
  `${stateDirectory} was set up by root, and its database belongs to root's service account.\n` +
  'Run this as root, or choose another state directory: ISOBAR_HOME=<directory>'

/** A place at a folder of one's own choice, such as a throwaway one for tests. */
export function placeAt(home: string, account: Account | null = unprivilegedAccount()): Place {
  mkdirSync(dirname(home), { recursive: true })
  if (dirname(home) === rootsPlace) chmodSync(rootsPlace, 0o755) // the account must pass, whatever our mask
  own(home, account)
  const inside = join(home, 'run')
  const socket = fits(inside)
    ? inside
    : join('/tmp', `isobar-${createHash('sha256').update(home).digest('hex').slice(0, 12)}`)
  own(socket, account)
  const copies = account && home.startsWith(rootsPlace) ? rootsPlace : home
  return { home, data: join(home, 'data'), socket, log: join(home, 'log'), copies, account }
}

/** The address of a Unix socket holds 107 bytes on Linux and 103 on macOS. */
const fits = (folder: string): boolean => Buffer.byteLength(join(folder, '.s.PGSQL.5432')) <= 103

/** Makes a folder that only the account may enter; one that is there must be its own already. */
function own(folder: string, account: Account | null): void {
  const uid = account?.uid ?? process.getuid?.()
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 })
    if (account) chownSync(folder, account.uid, account.gid)
  }
  const found = lstatSync(folder)
  if (!found.isDirectory() || (found.uid !== uid && uid !== undefined))
    throw new StoreProblem(
      `${folder} is taken: it is not a directory of ${account?.name ?? 'yours'}.\nMove it away, or choose another state directory: ISOBAR_HOME=<directory>`,
    )
  if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700)
}
