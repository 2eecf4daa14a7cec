import type { LogChunk, LogPart } from '#providers/provider.ts'
import type { Client, Refused } from './client.ts'

/** Which file of a container's log a kubelet writes to: known by when its first line was written, in nanoseconds. */
type LogFile = {
  first: string
  /** Of what is told: where the file begins in it, what is told before it, and how much of it is not told. */
  start: number
  lead: string
  skip: number
  /** How far it was told, by the longest. */
  told: number
}

/** The files that were seen last, by the uid of their pod. Whoever has lost them begins the file of now where he asks. */
export type LogFiles = Map<string, LogFile>

const mostFiles = 10_000
const mostTries = 5

/** Where a kubelet has begun a new file nobody knows what the old one held at its end. */
const rotated = '\n[the log was rotated: here output may be missing, or come again]\n'

type Read = { ok: true; chunk: Omit<LogChunk, 'end'>; isWhole: boolean } | Refused

/**
 * Reads a part of a log at the offset that it has in all that was told so far. The first file begins with a line of ours
 * (`marker`), which is not told; a file that does not begins after what was told of those before.
 */
export async function readFrom(
  log: { client: Client; path: string; name: string; marker: string; part: LogPart; files: LogFiles },
  signal: AbortSignal,
): Promise<Read> {
  const { client, path, name, marker, part, files } = log
  const { from, most } = part
  const unseen = { first: '', start: 0, lead: '', skip: marker.length, told: 0 }
  for (let tries = 0; tries < mostTries; tries++) {
    const file = files.get(name) ?? unseen
    const { start, lead, skip } = file
    const at = Math.max(from, start) - start
    const limit = Math.max(marker.length, skip + at + most - lead.length) + 1
    const read = await client.read({ path: `${path}&limitBytes=${limit}`, signal, most: limit })
    if (!read.ok) return read
    // Asked after what it holds: if it is still the same file, that was its content.
    const head = await client.read({ path: `${path}&timestamps=true&limitBytes=40`, signal, most: 40 })
    if (!head.ok) return head
    const [first = ''] = head.bytes.toString().split(' ', 1)
    if (first === '') return { ok: true, chunk: { from, bytes: new Uint8Array() }, isWhole: true }
    const isFirst = read.bytes.subarray(0, marker.length).toString() === marker
    const told = Buffer.concat([Buffer.from(lead), read.bytes.subarray(skip)])
    if (first === file.first && !isFirst && from > start + told.length) {
      // Who asks for that was told more, before we lost all memory of it.
      remember(files, name, { ...file, start: from, told: from })
    } else if (first === file.first && isFirst === skip > 0) {
      const bytes = told.subarray(at, at + most)
      file.told = Math.max(file.told, start + at + bytes.length)
      return { ok: true, chunk: { from: start + at, bytes }, isWhole: told.length <= at + most }
    } else {
      const after = Math.max(from, file.told)
      remember(
        files,
        name,
        isFirst ? { ...unseen, first } : { first, start: after, lead: rotated, skip: 0, told: after },
      )
    }
  }
  return { ok: true, chunk: { from, bytes: new Uint8Array() }, isWhole: false } // rotated at each look: ask again
}

function remember(files: LogFiles, name: string, file: LogFile): void {
  files.delete(name)
  if (files.size >= mostFiles) for (const oldest of [...files.keys()].slice(0, mostFiles / 10)) files.delete(oldest)
  files.set(name, file)
}
