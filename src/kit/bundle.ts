import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, realpathSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { tidyBundles } from './bundle-tidy.ts'
import { type BundleEntry, type Scan, scanFolder } from './bundle-scan.ts'
import { makeFolderSync } from './make-folder.ts'

/**
 * A folder, packed once and named by its content. The file at `path` is a plain POSIX tar archive and `hash` the
 * SHA-256 of its bytes, in hexadecimal. It is not compressed, because compressors give other bytes in other versions;
 * whoever sends it may compress it on the way.
 */
export type Bundle = {
  hash: string
  path: string
  bytes: number
  files: number
  /** Paths that were left out because they are sockets, pipes or devices. */
  skipped: string[]
  /** Whether the archive of an earlier call was still true. */
  cached: boolean
}

/** What happened and why, and what to do about it. */
export type BundleProblem = { problem: string; fix: string }

export type PackOptions = {
  /** Where archives are kept, with a note of what each folder looked like. */
  cacheDir: string
  /** Of all files together; 1 GiB if not said. */
  mostBytes?: number
  /** Files, folders and links; 200,000 if not said. */
  mostEntries?: number
}

/** Changes so shortly before a look may share their time stamp with a later one, so such files are read again. */
const racyMs = 2000

/**
 * Packs a folder, without what its ignore files (`.gitignore`, `.isobarignore`) name and without `.git`; nothing else
 * is left out. Equal folders give equal bundles on every machine: contents, names, links and the executable bit count.
 * A folder that did not change since the last call is not packed again. Links that lead out of it are refused.
 */
export async function packBundle(folder: string, options: PackOptions): Promise<Bundle | BundleProblem> {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    return { problem: `${folder} is not a folder`, fix: 'name a folder that exists as workdir' }
  }
  makeFolderSync(options.cacheDir)
  const root = realpathSync(folder)
  const note = join(options.cacheDir, `${sha256(root).slice(0, 32)}.json`)
  for (let tries = 1; ; tries++) {
    const lookedAt = Date.now()
    const scan = scanFolder(root)
    const problem = problemOf(scan, options)
    if (problem) return problem
    const recent = new Set(scan.entries.filter((entry) => isRecent(entry, lookedAt)).map(({ path }) => path))
    const known = recall({ note, root, scan, recent, cacheDir: options.cacheDir })
    if (known) return { ...known, skipped: scan.skipped, cached: true }
    const made = await pack({ note, root, scan, recent, cacheDir: options.cacheDir })
    if (made) return { ...made, skipped: scan.skipped, cached: false }
    if (tries === 3) {
      return { problem: `files in ${folder} change while they are packed`, fix: 'wait until they stay, then try again' }
    }
  }
}

const isRecent = (entry: BundleEntry, now: number): boolean => entry.type === 'file' && entry.changedMs > now - racyMs

function problemOf(scan: Scan, options: PackOptions): BundleProblem | undefined {
  const { mostBytes = 1024 ** 3, mostEntries = 200_000 } = options
  const leaveOut = 'add what it does not need to .isobarignore'
  if (scan.strayLinks.length > 0) {
    return {
      problem: `links lead out of the folder: ${some(scan.strayLinks)}`,
      fix: 'replace them by what they lead to or by relative links inside, or add them to .isobarignore',
    }
  }
  const sizes = new Map<string, number>()
  let total = 0
  for (const entry of scan.entries) {
    const size = entry.type === 'file' ? entry.size : 0
    total += size
    const top = entry.path.split('/').slice(0, 2).join('/')
    sizes.set(top, (sizes.get(top) ?? 0) + size)
  }
  if (total > mostBytes) {
    const largest = [...sizes].sort((a, b) => b[1] - a[1]).map(([path, size]) => `${path} (${megabytes(size)})`)
    return {
      problem: `the folder holds ${megabytes(total)}, the most is ${megabytes(mostBytes)}; largest: ${some(largest)}`,
      fix: leaveOut,
    }
  }
  if (scan.entries.length > mostEntries) {
    return { problem: `the folder holds ${scan.entries.length} entries, the most is ${mostEntries}`, fix: leaveOut }
  }
  return undefined
}

const some = (list: string[]): string =>
  list.slice(0, 5).join(', ') + (list.length > 5 ? ` and ${list.length - 5} more` : '')

const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MB`

type Work = { note: string; root: string; scan: Scan; recent: Set<string>; cacheDir: string }

/** What the last call found. `recent`: hashes of the files that had changed only just then. */
type Note = { fingerprint: string; hash: string; bytes: number; files: number; recent: Record<string, string> }

/** The bundle of the last call, if nothing has changed since and its archive is still there. */
function recall({ note, root, scan, recent, cacheDir }: Work): Omit<Bundle, 'skipped' | 'cached'> | undefined {
  try {
    const last = JSON.parse(readFileSync(note, 'utf8')) as Note // ours; anything else fails below and counts as nothing
    if (last.fingerprint !== scan.fingerprint) return undefined
    const path = join(cacheDir, `${last.hash}.tar`)
    if (statSync(path).size !== last.bytes) return undefined
    for (const [name, hash] of Object.entries(last.recent)) {
      if (sha256(readFileSync(join(root, name))) !== hash) return undefined
    }
    const { hash, bytes, files } = last
    utimesSync(path, new Date(), new Date())
    const stillRecent = Object.entries(last.recent).filter(([name]) => recent.has(name))
    remember(note, { ...last, recent: Object.fromEntries(stillRecent) })
    return { hash, path, bytes, files }
  } catch {
    return undefined
  }
}

async function pack({ note, root, scan, recent, cacheDir }: Work) {
  const { ChangedMeanwhile, writeArchive } = await import('./bundle-archive.ts')
  const partial = join(cacheDir, `${randomBytes(8).toString('hex')}.partial`)
  try {
    const archive = writeArchive(root, scan.entries, { path: partial, hashContent: (path) => recent.has(path) })
    const path = join(cacheDir, `${archive.hash}.tar`)
    renameSync(partial, path)
    tidyBundles(cacheDir, { keep: path })
    const { hash, bytes } = archive
    const files = scan.entries.filter(({ type }) => type === 'file').length
    remember(note, {
      fingerprint: scan.fingerprint,
      hash,
      bytes,
      files,
      recent: Object.fromEntries(archive.contentHashes),
    })
    return { hash, path, bytes, files }
  } catch (error) {
    rmSync(partial, { force: true })
    if (error instanceof ChangedMeanwhile || (error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      return undefined
    }
    throw error
  }
}

function remember(path: string, note: Note): void {
  const partial = `${path}.${process.pid}`
  writeFileSync(partial, JSON.stringify(note), { mode: 0o600 })
  renameSync(partial, path)
}

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex')
