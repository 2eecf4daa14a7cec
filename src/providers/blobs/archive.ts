import type { Blobs } from './blobs.ts'

/** Logs of ended attempts, one a rank, in the blob store. */
export type LogArchive = {
  /** Bytes kept of a rank's log so far. */
  size(lease: string, rank: number): Promise<number>
  append(lease: string, rank: number, bytes: Uint8Array): Promise<void>
  /** Up to `most` bytes from byte `from` on; empty at the end, `null` when nothing was ever kept. */
  read(lease: string, rank: number, range: { from: number; most: number }): Promise<Uint8Array | null>
}

export function createLogArchive(blobs: Blobs): LogArchive {
  return {
    size: async (lease, rank) => (await blobs.size(nameOf(lease, rank))) ?? 0,
    append: async (lease, rank, bytes) => {
      await blobs.append(nameOf(lease, rank), bytes)
    },
    read: (lease, rank, { from, most }) => blobs.read(nameOf(lease, rank), from, most),
  }
}

const nameOf = (lease: string, rank: number): string => `logs/${lease}/${rank}`
