import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { S3 } from '#kit/s3.ts'
import { keysIn, keysOf } from '#kit/s3-keys.ts'
import { sha256 } from '#kit/s3-signature.ts'
import type { OpenStore } from '#model/checkpoint-store.ts'
import { createLanes, width, withEach } from './lanes.ts'
import { isInside, partBytesOf, type StoredFile } from './layout.ts'

/** A bucket, through which files go in parts; never more than a few of them are in memory. */
export type Bucket = { s3: S3; lanes: ReturnType<typeof createLanes> }

/** Opens a bucket with the keys that come with it, or else those that the machine has by itself. */
export function openBucket({ keys, ...at }: OpenStore): Bucket {
  return { s3: new S3({ at, keys: keysOf(keys ?? keysIn(process.env)) }), lanes: createLanes(width) }
}

/** A file as it was when it was looked at. */
export type SeenFile = { path: string; size: number; mtimeMs: number; inode: number }

/** Puts a file below a folder into the bucket; null when it is not the file any more that was seen. */
export async function sendFile(
  { s3, lanes }: Bucket,
  { folder, seen, key }: { folder: string; seen: SeenFile; key: string },
): Promise<StoredFile | null> {
  const { path, size } = seen
  const partBytes = partBytesOf(size)
  const count = Math.max(1, Math.ceil(size / partBytes))
  await using file = await open(join(folder, path)).catch(() => null)
  if (!file) return null
  const read = async (at: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafe(Math.min(partBytes, size - at * partBytes))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, at * partBytes)
    return bytes.subarray(0, bytesRead)
  }
  const parts: string[] = []
  if (count === 1) {
    await lanes(async () => {
      const body = await read(0)
      const hash = sha256(body)
      parts.push(hash)
      await s3.put(key, body, hash)
    })
  } else {
    const upload = await s3.begin(key)
    try {
      const tags = await withEach(Array.from({ length: count }), {
        width,
        work: (_, at) =>
          lanes(async () => {
            const body = await read(at)
            const hash = sha256(body)
            parts[at] = hash
            return s3.part(key, { upload, number: at + 1, body, hash })
          }),
      })
      await s3.end(key, upload, tags)
    } catch (error) {
      await s3.drop(key, upload).catch(() => undefined) // the failure before says more
      throw error
    }
  }
  return (await isAsSeen(folder, seen)) ? { path, key, size, partBytes, parts } : null
}

async function isAsSeen(folder: string, { path, size, mtimeMs, inode }: SeenFile): Promise<boolean> {
  const now = await stat(join(folder, path)).catch(() => null)
  return now !== null && now.size === size && now.mtimeMs === mtimeMs && now.ino === inode
}

/** A checkpoint that says it is whole, and is not. */
export class Damaged extends Error {
  override name = 'Damaged'
}

/** Brings a file below a folder. Each part is checked; throws `Damaged` when one is missing or another. */
export async function fetchFile(
  { s3, lanes }: Bucket,
  { folder, file }: { folder: string; file: StoredFile },
): Promise<void> {
  const { path, key, size, partBytes, parts } = file
  if (!isInside(path)) throw new Damaged(`${key} names a file outside of its checkpoint`)
  const target = join(folder, path)
  await mkdir(dirname(target), { recursive: true })
  await using into = await open(target, 'w')
  if (size === 0) return
  await withEach(parts, {
    width,
    work: (hash, at) =>
      lanes(async () => {
        const from = at * partBytes
        const bytes = await s3.get(key, { from, count: Math.min(partBytes, size - from) })
        if (!bytes || sha256(bytes) !== hash) throw new Damaged(`${key} is not what was saved`)
        await into.write(bytes, 0, bytes.length, from)
      }),
  })
}
