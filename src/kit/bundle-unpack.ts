import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, posix } from 'node:path'

import type { BundleProblem } from './bundle.ts'
import { isOutside } from './bundle-scan.ts'

/** 4 GiB: more than `packBundle` makes. */
const mostBytes = 4 * 1024 ** 3

/**
 * Unpacks a bundle (the archive's bytes, or its path) into `folder`, which must be empty or absent. Nothing is
 * unpacked before all bytes have come and have the hash `expected`, and nothing appears in `folder` before all is
 * there. Refused are paths and links that lead out of it, and anything but files, folders and links.
 */
export async function unpackBundle(
  source: AsyncIterable<Uint8Array> | string,
  folder: string,
  expected: string,
): Promise<{ files: number } | BundleProblem> {
  const spooled = `${folder}.tar.partial`
  const partial = `${folder}.partial`
  await mkdir(dirname(folder), { recursive: true })
  await rm(partial, { recursive: true, force: true }) // of a process that died meanwhile
  await rm(spooled, { force: true })
  try {
    const archive = typeof source === 'string' ? source : spooled
    const hash = await (typeof source === 'string' ? hashOf(createReadStream(source)) : spool(source, spooled))
    if (hash !== expected) return { problem: `the bundle has the hash ${hash}, not ${expected}`, fix: 'fetch it again' }
    await mkdir(partial, { mode: 0o755 })
    const unpacked = await extract(archive, partial)
    if ('files' in unpacked) await rename(partial, folder)
    return unpacked
  } finally {
    await rm(partial, { recursive: true, force: true })
    await rm(spooled, { force: true })
  }
}

async function hashOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of bytes) hash.update(part)
  return hash.digest('hex')
}

async function spool(bytes: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  const hash = createHash('sha256')
  let size = 0
  await using file = await open(path, 'wx', 0o600)
  for await (const part of bytes) {
    size += part.length
    if (size > mostBytes) return 'of something larger than any bundle'
    hash.update(part)
    await file.writeFile(part)
  }
  return hash.digest('hex')
}

async function extract(archive: string, folder: string): Promise<{ files: number } | BundleProblem> {
  try {
    return await extractSafely(archive, folder)
  } catch (error) {
    if (!(error instanceof Error && 'tarCode' in error)) throw error
    return { problem: `the bundle is not a tar archive: ${error.message}`, fix: 'pack the folder again' }
  }
}

async function extractSafely(archive: string, folder: string): Promise<{ files: number } | BundleProblem> {
  const { extract: extractTar } = await import('tar/extract')
  let refused: string | undefined
  let files = 0
  await extractTar({
    file: archive,
    cwd: folder,
    preserveOwner: false,
    noMtime: false,
    onReadEntry: (entry) => {
      if (entry.type === 'File') files++
    },
    filter: (path, entry) => {
      const ok = 'type' in entry && isSafe(path, entry)
      if (!ok) refused ??= path
      return ok
    },
    onwarn: (_code, message) => {
      refused ??= String(message)
    },
  })
  if (refused === undefined) return { files }
  return { problem: `the bundle holds something unsafe: ${refused}`, fix: 'pack the folder again' }
}

function isSafe(path: string, entry: { type: string; linkpath?: string }): boolean {
  if (isOutside(posix.normalize(path))) return false
  if (entry.type === 'File' || entry.type === 'Directory') return true
  if (entry.type !== 'SymbolicLink' || !entry.linkpath || posix.isAbsolute(entry.linkpath)) return false
  return !isOutside(posix.join(posix.dirname(path), entry.linkpath))
}
