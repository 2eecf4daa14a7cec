import { closeSync, constants, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { makeFolder, makeFolderSync } from './make-folder.ts'

/**
 * A log of bounded size: a folder of segments, each named by the offset of its first byte since the beginning. When the
 * newest is half as long as the whole may be, the next begins and only those two stay. Offsets never change.
 */
export type LogWriter = { write(bytes: Uint8Array): void; close(): void }

/** Continues the log in `folder`, which may hold `most` bytes. A full disk loses output, never the caller. */
export function createLogWriter(folder: string, most: number): LogWriter {
  makeFolderSync(folder)
  let end = 0
  let segment: { file: number; start: number } | undefined

  const begin = () => {
    if (segment) closeSync(segment.file)
    segment = { file: openSync(join(folder, segmentName(end)), 'a', 0o600), start: end }
    for (const name of readdirSync(folder).sort().slice(0, -2)) rmSync(join(folder, name), { force: true })
    return segment
  }
  return {
    write(bytes) {
      try {
        const current = segment && end - segment.start < most / 2 ? segment : begin()
        end += writeSync(current.file, bytes)
      } catch {
        // Nowhere to write: what runs is worth more than what it says.
      }
    },
    close() {
      if (segment) closeSync(segment.file)
      segment = undefined
    },
  }
}

/**
 * Writes bytes that stand at `from` in a log that somebody else keeps, into a copy of it in `folder`, which may hold `most`
 * bytes. The same again changes nothing; what the other one dropped in between is dropped here, too.
 */
export async function copyIntoLog(
  folder: string,
  { from, bytes, most }: { from: number; bytes: Uint8Array; most: number },
): Promise<void> {
  await makeFolder(folder)
  const starts = (await readdir(folder)).map(Number).sort((a, b) => a - b)
  const before = starts.findLast((first) => first <= from)
  const size = before === undefined ? 0 : (await stat(join(folder, segmentName(before)))).size
  const goesOn = before !== undefined && from <= before + size && from - before < most / 2
  const start = goesOn ? before : from
  const file = await open(join(folder, segmentName(start)), constants.O_WRONLY | constants.O_CREAT, 0o600)
  try {
    await file.write(bytes, 0, bytes.length, from - start)
  } finally {
    await file.close()
  }
  const kept = starts.includes(start) ? starts : [...starts, start].sort((a, b) => a - b)
  for (const old of kept.slice(0, -2)) await rm(join(folder, segmentName(old)), { force: true })
}

/** Bytes of the log from `from` on, at most `most`; `from` moves up where older output was dropped. */
export async function readLog(
  folder: string,
  part: { from: number; most: number },
): Promise<{ from: number; bytes: Uint8Array }> {
  const segments = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] // nothing was written yet
    throw error
  })
  const starts = segments.map(Number).sort((a, b) => a - b)
  const start = starts.findLast((first) => first <= part.from) ?? starts[0]
  if (start === undefined) return { from: part.from, bytes: new Uint8Array() }
  const from = Math.max(part.from, start)
  const path = join(folder, segmentName(start))
  try {
    const size = (await stat(path)).size
    const following = starts.find((first) => first > start)
    if (start + size <= from && following !== undefined) return await readLog(folder, { ...part, from: following })
    return { from, bytes: await readAt(path, { from: from - start, most: Math.min(part.most, start + size - from) }) }
  } catch (error) {
    // The writer dropped this segment while we looked; the next one is there.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return readLog(folder, part)
    throw error
  }
}

async function readAt(path: string, part: { from: number; most: number }): Promise<Uint8Array> {
  if (part.most <= 0) return new Uint8Array()
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(part.most), 0, part.most, part.from)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

// As many digits as the largest safe integer, so that names sort like numbers.
const segmentName = (start: number): string => String(start).padStart(16, '0')
