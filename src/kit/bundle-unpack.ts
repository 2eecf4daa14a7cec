import { createHash } from 'node:crypto'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  realpathSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join, posix, relative } from 'node:path'

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
  const { Parser } = await import('tar/parse')
  const links: { path: string; target: string }[] = []
  const folders = new Set<string>()
  let files = 0
  const inFolder = (path: string): string => {
    const around = join(folder, posix.dirname(path))
    if (!folders.has(around)) mkdirSync(around, { recursive: true })
    folders.add(around)
    return join(folder, path)
  }
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      const path = safePath(entry)
      if (entry.type === 'SymbolicLink') links.push({ path, target: entry.linkpath ?? '' })
      if (entry.type === 'Directory') mkdirSync(inFolder(path), { recursive: true })
      if (entry.type !== 'File') return void entry.resume()
      const file = openSync(inFolder(path), 'wx', (entry.mode ?? 0) & 0o100 ? 0o755 : 0o644)
      files++
      entry.on('data', (bytes) => writeAll(file, bytes))
      entry.on('end', () => closeSync(file))
    },
  })
  try {
    for await (const bytes of createReadStream(archive, { highWaterMark: 1024 ** 2 })) parser.write(bytes)
    parser.end()
    // Last, so that nothing is written through a link.
    const isLink = new Set(links.map(({ path }) => path))
    for (const { path, target } of links) {
      if (foldersOf(path).some((around) => isLink.has(around))) throw new Unsafe(`${path} is inside a link`)
      symlinkSync(target, inFolder(path))
    }
    // A chain of links may lead out although each of them, read by itself, does not.
    for (const { path } of links) if (leadsOut(folder, path)) throw new Unsafe(`${path} leads out of it`)
    return { files }
  } catch (error) {
    const unsafe = error instanceof Error && (error instanceof Unsafe || 'tarCode' in error || isTwice(error))
    if (!unsafe) throw error
    return { problem: `the bundle cannot be unpacked: ${error.message}`, fix: 'pack the folder again' }
  }
}

class Unsafe extends Error {}

/** The folders that a path is in, the nearest first. */
function foldersOf(path: string): string[] {
  const above = posix.dirname(path)
  return above === '.' ? [] : [above, ...foldersOf(above)]
}

/** Whether what a link points to in the end is there, and outside. The system decides: Node's own walk takes .. as text. */
function leadsOut(folder: string, path: string): boolean {
  const link = join(folder, path)
  return existsSync(link) && isOutside(relative(realpathSync.native(folder), realpathSync.native(link)))
}

const isTwice = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && ['EEXIST', 'ENOTDIR', 'EISDIR'].includes(error.code)

/** The path of an entry, without `..`; anything else than a file, folder or link inside is an error. */
function safePath({ path, type, linkpath = '' }: { path: string; type: string; linkpath?: string }): string {
  const normal = posix.normalize(path).replace(/\/$/, '')
  const known = type === 'File' || type === 'Directory' || type === 'SymbolicLink'
  const strays =
    type === 'SymbolicLink' && (posix.isAbsolute(linkpath) || isOutside(posix.join(normal, '..', linkpath)))
  if (!known || strays || isOutside(normal)) throw new Unsafe(`${path} (${type}) leads out of it or is no file`)
  return normal
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done)
}
