import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, opendir, readdir, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { makeFolder } from '#kit/make-folder.ts'
import { BlobError, type BlobListing, type Blobs, contentName, type PutLimits, type StoredContent } from './blobs.ts'

/** No blob grows beyond this, whatever the caller allows. */
const mostBytes = 16 * 1024 ** 3
/** One read gives no more than this, so that no caller can ask for all memory. */
const mostPerRead = 16 * 1024 ** 2
/** An upload that has written nothing for so long will not go on. */
const abandonedMs = 3_600_000

/**
 * Blobs in a folder that only its owner reads. They are written beside their place, synced, and moved there. Each blob
 * lies in a folder named by the last two letters of its second part, so that no folder grows very large.
 */
export function createDirectoryBlobs(root: string): Blobs {
  const pathOf = (name: string): string => join(root, ...partsOf(name))
  return {
    put: (content, limits = {}) => guard(root, () => put(root, content, limits)),
    write: (name, bytes) => guard(root, () => write(root, pathOf(name), bytes)),
    size: (name) => guard(root, async () => (await present(stat(pathOf(name))))?.size ?? null),
    touch: (name) => guard(root, () => touch(pathOf(name))),
    read: (name, from, most) => guard(root, () => read(pathOf(name), from, Math.min(most, mostPerRead))),
    remove: (name, seen) => guard(root, () => remove(root, name, seen)),
    names: (below) => guard(root, async () => (await inside(pathOf(below))).map((leaf) => `${below}/${leaf}`)),
    list: (first) => list(root, first),
  }
}

async function put(root: string, content: AsyncIterable<Uint8Array>, limits: PutLimits): Promise<StoredContent> {
  return beside(root, async (path) => {
    await removeAbandoned(dirname(path))
    const { hash, size } = await spool(path, content, Math.min(limits.most ?? mostBytes, mostBytes))
    if (limits.hash !== undefined && limits.hash !== hash) {
      throw new BlobError('mismatch', `the content has the hash ${hash}, not ${limits.hash}: send it again`)
    }
    const name = contentName(hash)
    const place = join(root, ...partsOf(name))
    // One that a crash cut short has another size.
    if ((await touch(place)) !== size) await settle(path, place)
    return { name, hash, size }
  })
}

const write = (root: string, place: string, bytes: Uint8Array): Promise<void> =>
  beside(root, async (path) => {
    await spool(path, [bytes], mostBytes)
    await settle(path, place)
  })

/** Gives a path for a file on its way to its place; whatever happens, nothing stays there. */
async function beside<T>(root: string, work: (path: string) => Promise<T>): Promise<T> {
  const folder = join(root, 'incoming')
  await makeFolder(folder)
  const path = join(folder, randomBytes(12).toString('hex'))
  try {
    return await work(path)
  } finally {
    await rm(path, { force: true })
  }
}

/** What a process that died left behind. */
async function removeAbandoned(folder: string): Promise<void> {
  for await (const name of entries(folder)) {
    const found = await present(stat(join(folder, name)))
    if (found && Date.now() - found.mtimeMs > abandonedMs) await rm(join(folder, name), { force: true })
  }
}

/** Writes a stream to a new file, synced, and hashes it on the way. */
async function spool(path: string, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, most: number) {
  const hash = createHash('sha256')
  let size = 0
  await using file = await open(path, 'wx', 0o600)
  for await (const bytes of content) {
    size += bytes.length
    if (size > most) throw new BlobError('too-large', `it is larger than ${most} bytes, the most that is accepted`)
    hash.update(bytes)
    await file.writeFile(bytes)
  }
  await file.sync()
  return { hash: hash.digest('hex'), size }
}

async function settle(path: string, place: string): Promise<void> {
  await makeFolder(dirname(place))
  await rename(path, place)
  await syncFolder(dirname(place))
}

/** Without this a power failure could take back the name of a file whose bytes are safe. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY)
  await folder.sync()
}

async function touch(path: string): Promise<number | null> {
  await present(utimes(path, new Date(), new Date()))
  return (await present(stat(path)))?.size ?? null
}

async function remove(root: string, name: string, seen?: { touchedAt: number }): Promise<boolean> {
  const parts = partsOf(name)
  const path = join(root, ...parts)
  if (seen) {
    const found = await present(stat(path))
    if (!found || Math.round(found.mtimeMs) > seen.touchedAt) return false
  }
  await rm(path, { force: true })
  // A folder of three parts goes with the last one in it; until then it is not empty.
  if (parts.length > 3) await rmdir(dirname(path)).catch(() => undefined)
  return true
}

const inside = async (path: string): Promise<string[]> => ((await present(readdir(path))) ?? []).sort()

async function read(path: string, from: number, most: number): Promise<Uint8Array | null> {
  const file = await present(open(path, 'r'))
  if (!file) return null
  try {
    return await readFully(file, from, most)
  } finally {
    await file.close()
  }
}

async function readFully(file: FileHandle, from: number, most: number): Promise<Uint8Array> {
  const { size } = await file.stat()
  const bytes = Buffer.alloc(Math.max(0, Math.min(most, size - from)))
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, from + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

async function* list(root: string, first: string): AsyncGenerator<BlobListing, void> {
  const [top = ''] = partsOf(`${first}/x`)
  for await (const shard of entries(join(root, top))) {
    for await (const name of entries(join(root, top, shard))) {
      const path = join(root, top, shard, name)
      const found = await present(stat(path))
      if (found?.isFile()) yield { name: `${top}/${name}`, size: found.size, touchedAt: Math.round(found.mtimeMs) }
      if (!found?.isDirectory()) continue
      for await (const leaf of entries(path)) {
        const inner = await present(stat(join(path, leaf)))
        if (inner) yield { name: `${top}/${name}/${leaf}`, size: inner.size, touchedAt: Math.round(inner.mtimeMs) }
      }
    }
  }
}

async function* entries(path: string): AsyncGenerator<string, void> {
  const folder = await present(opendir(path))
  if (!folder) return
  for await (const entry of folder) yield entry.name
}

/** `logs/0.l-0k3v/0-42` lies in `logs/3v/0.l-0k3v/0-42`. */
function partsOf(name: string): string[] {
  const [first = '', second = '', ...rest] = name.split('/')
  const parts = [first, second, ...rest]
  if (rest.length > 1 || !parts.every((part) => /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/.test(part))) {
    throw new BlobError(
      'name',
      `${JSON.stringify(name.slice(0, 200))} is not a name of a blob, such as logs/0.l-0k3v/0-42`,
    )
  }
  return [first, second.slice(-2), second, ...rest]
}

/** What a call finds, or nothing where there is no such file. */
async function present<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

async function guard<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new BlobError('full', `no space is left below ${root}: free some there, then try again`, { cause: error })
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new BlobError('denied', `${root} cannot be used: make it readable and writable for this user`, {
        cause: error,
      })
    }
    throw error
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
