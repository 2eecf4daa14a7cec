import { createHash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, posix, relative } from 'node:path'

import { type IgnoreRules, outerRules, rulesBelow } from './bundle-ignore.ts'

/** One thing to pack. `path` has `/` between its parts and is relative to the folder. */
export type BundleEntry = { path: string } & (
  | { type: 'folder' }
  | { type: 'link'; target: string }
  | { type: 'file'; size: number; executable: boolean; changedMs: number }
)

/** What is to be packed, in the order of the archive, with a fingerprint that changes when any of it does. */
export type Scan = {
  entries: BundleEntry[]
  fingerprint: string
  /** Links that lead out of the folder. */
  strayLinks: string[]
  /** What cannot be packed: sockets, pipes, devices, and folders too deep to be meant. */
  skipped: string[]
}

/** Deeper folders are taken for a mount that leads back up. */
const mostDepth = 100

/** Looks at a folder; reads no file but the ignore files. */
export function scanFolder(folder: string): Scan {
  const root = realpathSync(folder)
  const scan: Scan = { entries: [], fingerprint: '', strayLinks: [], skipped: [] }
  const fingerprint = createHash('sha256')
  const visit = (below: string, outer: IgnoreRules, depth: number): void => {
    const names = readdirSync(join(root, below)).sort()
    const rules = rulesBelow(outer, { root, folder: below, names })
    for (const name of names) {
      const path = below === '' ? name : `${below}/${name}`
      const stats = lstatSync(join(root, path), { bigint: true, throwIfNoEntry: false })
      if (!stats || rules.ignores(path, stats.isDirectory())) continue
      const entry = depth <= mostDepth ? entryOf(root, path, stats) : undefined
      if (!entry) {
        scan.skipped.push(path)
        continue
      }
      if (entry.type === 'link' && leadsOut(root, path, entry.target)) scan.strayLinks.push(path)
      scan.entries.push(entry)
      fingerprint.update(`${path}\0${traceOf(entry, stats)}\0`)
      if (entry.type === 'folder') visit(path, rules, depth + 1)
    }
  }
  visit('', outerRules(root), 0)
  scan.fingerprint = fingerprint.digest('hex')
  return scan
}

function entryOf(root: string, path: string, stats: BigIntStats): BundleEntry | undefined {
  if (stats.isDirectory()) return { path, type: 'folder' }
  if (stats.isSymbolicLink()) return { path, type: 'link', target: readlinkSync(join(root, path)) }
  if (!stats.isFile()) return undefined
  const changedMs = Number(stats.mtimeMs > stats.ctimeMs ? stats.mtimeMs : stats.ctimeMs)
  return { path, type: 'file', size: Number(stats.size), executable: (stats.mode & 0o100n) !== 0n, changedMs }
}

/** The time of the last change of the inode cannot be set by hand, so it also shows edits that keep the old date. */
function traceOf(entry: BundleEntry, stats: BigIntStats): string {
  if (entry.type === 'folder') return 'folder'
  if (entry.type === 'link') return `link ${entry.target}`
  return `file ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${stats.ino} ${stats.mode}`
}

/** By its text, and by where it really leads through other links. Absolute links would mean another place elsewhere. */
function leadsOut(root: string, path: string, target: string): boolean {
  if (isAbsolute(target) || isOutside(posix.join(posix.dirname(path), target))) return true
  try {
    return isOutside(relative(root, realpathSync.native(join(root, dirname(path), target))))
  } catch {
    return false // it leads to nothing, which harms nobody
  }
}

export const isOutside = (path: string): boolean => path === '..' || path.startsWith('../') || isAbsolute(path)
