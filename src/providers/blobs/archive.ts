import type { Blobs } from './blobs.ts'

/** Bytes of a rank's log, and where they begin, counted as its provider counts them. */
type LogPiece = { from: number; bytes: Uint8Array }

/**
 * Logs of ended attempts in the blob store. Offsets are those of the provider: where it had dropped older output, there
 * is a gap, and who reads across one is told, as by the provider itself, from where on the bytes are.
 */
export type LogArchive = {
  /** How many bytes are kept of a rank's log, and the offset behind the last of them. */
  kept(lease: string, rank: number): Promise<{ bytes: number; end: number }>
  /** Keeps a piece. The same piece again changes nothing, so that two may collect one log. */
  add(lease: string, rank: number, piece: LogPiece): Promise<void>
  /** Up to `most` bytes from offset `from` on, or from the end of the gap there. `null`: nothing is kept from there on. */
  read(lease: string, rank: number, part: { from: number; most: number }): Promise<LogPiece | null>
}

export function createLogArchive(blobs: Blobs): LogArchive {
  return {
    async kept(lease, rank) {
      const pieces = await piecesOf(blobs, lease, rank)
      const bytes = pieces.reduce((sum, { from, to }) => sum + to - from, 0)
      return { bytes, end: Math.max(0, ...pieces.map(({ to }) => to)) }
    },
    async add(lease, rank, { from, bytes }) {
      if (bytes.length === 0) return
      await blobs.write(`${folderOf(lease, rank)}/${padded(from)}-${padded(from + bytes.length)}`, bytes)
    },
    async read(lease, rank, { from, most }) {
      const pieces = await piecesOf(blobs, lease, rank)
      const piece = pieces.find((one) => one.from <= from && from < one.to) ?? pieces.find((one) => one.from > from)
      if (!piece) return null
      const start = Math.max(from, piece.from)
      const bytes = await blobs.read(piece.name, start - piece.from, most)
      return bytes && { from: start, bytes }
    },
  }
}

// The name says which bytes it holds, so that there is nothing else to keep in step with them.
const folderOf = (lease: string, rank: number): string => `logs/${rank}.${lease}`
// As many digits as the largest safe integer, so that names sort like numbers.
const padded = (offset: number): string => String(offset).padStart(16, '0')

async function piecesOf(blobs: Blobs, lease: string, rank: number) {
  const names = await blobs.names(folderOf(lease, rank))
  return names.map((name) => {
    const [from = 0, to = 0] = name
      .slice(name.lastIndexOf('/') + 1)
      .split('-')
      .map(Number)
    return { name, from, to }
  })
}
