import { lstat, readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

import type { SeenFile } from './transfer.ts'

/** More files are no checkpoint. */
const mostFiles = 20_000
/** S3 allows 1,024 bytes a key, of which some are ours. */
const mostPathBytes = 700

/** What `lookAt` found that cannot be kept. */
export class Unkeepable extends Error {
  override name = 'Unkeepable'
}

/**
 * The files below a folder as they are now, by their paths; none where it is not there. Links are left out, and names that
 * end in `.tmp` or `.part`: whoever writes those will rename them once they are whole.
 */
export async function lookAt(folder: string): Promise<Map<string, SeenFile>> {
  const seen = new Map<string, SeenFile>()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isFile() || /\.(tmp|part)$/.test(entry.name)) continue
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')
    const now = await lstat(join(folder, path)).catch(() => null) // gone meanwhile
    if (!now) continue
    if (seen.size >= mostFiles)
      throw new Unkeepable(`ISOBAR_CHECKPOINT_DIR has more than ${mostFiles} files\npack them, or remove old ones`)
    if (path.split('/').map(encodeURIComponent).join('/').length > mostPathBytes)
      throw new Unkeepable(`the name of ${path.slice(0, 100)}… is too long for an object store\nshorten it`)
    seen.set(path, { path, size: now.size, mtimeMs: now.mtimeMs, inode: now.ino })
  }
  return seen
}

export const areSame = (one: ReadonlyMap<string, SeenFile>, other: ReadonlyMap<string, SeenFile>): boolean =>
  one.size === other.size && [...one.values()].every((file) => isSame(file, other.get(file.path)))

export const isSame = (one: SeenFile, other: SeenFile | undefined): boolean =>
  other !== undefined && one.size === other.size && one.mtimeMs === other.mtimeMs && one.inode === other.inode
