import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { width, withEach } from './lanes.ts'
import {
  attemptsKey,
  type Complete,
  completesKey,
  lastNumber,
  type Manifest,
  type Place,
  type StoredFile,
} from './layout.ts'
import { type Bucket, Damaged, fetchFile } from './transfer.ts'

/** Of an attempt only so many of its checkpoints are tried: the others were given up. */
const mostTried = 2
const mostPages = 10

export type Bringing = {
  bucket: Bucket
  place: Place
  /** Where it is put, into a folder named by the number of its attempt. */
  root: string
  say: (line: string) => void
}

/**
 * Fetches the newest whole checkpoint of the earlier attempts, of all ranks of their gangs. Gives the number of its attempt,
 * or null where there is none. It appears whole, in its folder.
 */
export async function bringLatest(bringing: Bringing): Promise<number | null> {
  const { bucket, place, root, say } = bringing
  await mkdir(root, { recursive: true })
  for (const attempt of await earlierAttempts(bringing))
    for (const complete of (await completesOf(bucket, { ...place, attempt })).slice(0, mostTried)) {
      const files = await filesOf(bucket, complete).catch((error: unknown) => told(error, say))
      if (!files || files.length === 0) continue
      const partial = join(root, `.${attempt}`)
      await rm(partial, { recursive: true, force: true })
      const whole = await withEach(files, {
        width,
        work: (file) => fetchFile(bucket, { folder: partial, file }),
      }).catch((error: unknown) => told(error, say))
      if (!whole) continue
      await rm(join(root, String(attempt)), { recursive: true, force: true })
      await rename(partial, join(root, String(attempt)))
      return attempt
    }
  return null
}

/** One that is damaged has an older one behind it; any other trouble must not pass for a first start. */
function told(error: unknown, say: (line: string) => void): null {
  if (!(error instanceof Damaged)) throw error
  say(`a checkpoint is damaged (${error.message}); the one before it is taken`)
  return null
}

/** The numbers of the attempts that have written something, the latest first. */
export async function earlierAttempts({ bucket, place }: Pick<Bringing, 'bucket' | 'place'>): Promise<number[]> {
  const numbers: number[] = []
  let next: string | null | undefined
  for (let page = 0; page < mostPages && next !== null; page++) {
    const found = await bucket.s3.list(attemptsKey(place), { folders: true, ...(next && { next }) })
    numbers.push(...found.folders.map(lastNumber).filter((number) => number > 0 && number < place.attempt))
    next = found.next
  }
  return numbers.sort((one, other) => other - one)
}

/** The keys of the whole checkpoints of an attempt, the latest first. */
export async function completesOf({ s3 }: Bucket, place: Place): Promise<string[]> {
  const { keys } = await s3.list(completesKey(place))
  return keys.sort().toReversed()
}

/** All files of a checkpoint. Where two ranks saved one of the same name, that of the first counts. */
async function filesOf({ s3 }: Bucket, complete: string): Promise<StoredFile[]> {
  const read = async <T>(key: string): Promise<T> => {
    const text = await s3.get(key)
    if (!text) throw new Damaged(`${key} is missing`)
    try {
      return JSON.parse(text.toString()) as T // written by another of us; each file is checked
    } catch {
      throw new Damaged(`${key} cannot be read`)
    }
  }
  const { manifests } = await read<Complete>(complete)
  const all = await withEach(manifests, { width, work: (key) => read<Manifest>(key) })
  const byPath = new Map<string, StoredFile>()
  for (const { files } of all) for (const file of files) if (!byPath.has(file.path)) byPath.set(file.path, file)
  return [...byPath.values()]
}
