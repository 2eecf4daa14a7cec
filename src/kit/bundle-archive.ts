import { createHash } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { Header, type HeaderData } from 'tar/header'
import { Pax } from 'tar/pax'

import type { BundleEntry } from './bundle-scan.ts'

/** Archives are made of blocks of this size. */
const block = 512
/** A date for all files: early, and late enough for zip archives, which know no year before 1980 in any time zone. */
const mtime = new Date('1980-01-02T00:00:00Z')

export type Archive = { hash: string; bytes: number; contentHashes: Map<string, string> }

/**
 * Writes entries as a POSIX tar archive to a new file. Nothing of the machine, the owner or the time goes in, so that
 * equal folders give equal bytes. Gives the hash of the archive, and of the content of the files that `hashContent`
 * names. A file that shrinks while it is read is an error.
 */
export function writeArchive(
  root: string,
  entries: readonly BundleEntry[],
  options: { path: string; hashContent: (path: string) => boolean },
): Archive {
  const file = openSync(options.path, 'wx', 0o600)
  try {
    const out = createOutput(file)
    const contentHashes = new Map<string, string>()
    for (const entry of entries) {
      writeHeader(out, entry)
      if (entry.type !== 'file') continue
      const content = options.hashContent(entry.path) ? createHash('sha256') : undefined
      copyFile(join(root, entry.path), entry.size, (bytes) => {
        content?.update(bytes)
        out.write(bytes)
      })
      out.pad()
      if (content) contentHashes.set(entry.path, content.digest('hex'))
    }
    out.write(Buffer.alloc(2 * block))
    const { hash, bytes } = out.end()
    fsyncSync(file) // a crash must not leave an archive under its name with other bytes
    return { hash, bytes, contentHashes }
  } finally {
    closeSync(file)
  }
}

type Output = { write(bytes: Uint8Array): void; pad(): void; end(): { hash: string; bytes: number } }

/** Gathers small writes: a header is only one block. */
function createOutput(file: number): Output {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(1024 ** 2)
  let filled = 0
  let total = 0
  const flush = (): void => {
    hash.update(buffer.subarray(0, filled))
    for (let done = 0; done < filled;) done += writeSync(file, buffer, done, filled - done)
    filled = 0
  }
  const write = (bytes: Uint8Array): void => {
    total += bytes.length
    for (let done = 0; done < bytes.length;) {
      const part = bytes.subarray(done, done + buffer.length - filled)
      buffer.set(part, filled)
      filled += part.length
      done += part.length
      if (filled === buffer.length) flush()
    }
  }
  return {
    write,
    pad: () => write(Buffer.alloc((block - (total % block)) % block)),
    end: () => {
      flush()
      return { hash: hash.digest('hex'), bytes: total }
    },
  }
}

function writeHeader(out: Output, entry: BundleEntry): void {
  const data: HeaderData = { uid: 0, gid: 0, mtime, ...kindOf(entry) }
  const bytes = Buffer.alloc(block)
  // Names too long or too foreign for the classic header get an extended one in front.
  if (new Header(data).encode(bytes, 0)) {
    const { path, linkpath, size } = data
    out.write(new Pax({ path, linkpath, size, mtime }).encode())
  }
  out.write(bytes)
}

function kindOf(entry: BundleEntry): HeaderData {
  const { path } = entry
  if (entry.type === 'folder') return { type: 'Directory', path: `${path}/`, size: 0, mode: 0o755 }
  if (entry.type === 'link') return { type: 'SymbolicLink', path, size: 0, mode: 0o777, linkpath: entry.target }
  return { type: 'File', path, size: entry.size, mode: entry.executable ? 0o755 : 0o644 }
}

const chunk = Buffer.allocUnsafe(1024 ** 2)

function copyFile(path: string, size: number, write: (bytes: Uint8Array) => void): void {
  const file = openSync(path, 'r')
  try {
    for (let done = 0; done < size;) {
      const length = readSync(file, chunk, 0, Math.min(chunk.length, size - done), done)
      if (length === 0) throw new ChangedMeanwhile(path)
      write(chunk.subarray(0, length))
      done += length
    }
  } finally {
    closeSync(file)
  }
}

/** A file became shorter, or went away, between the look at it and the reading of it. */
export class ChangedMeanwhile extends Error {}
