/**
 * Where files go that outlive a machine: bundles, named by their content, and pieces of logs. A blob's name is a path
 * of two or three parts of letters, digits, `.`, `_` and `-`, such as `logs/0.l-0k3v9m2a7q4xz1t8/0-42`. It appears whole
 * or not at all, and never changes. Faults are `BlobError`s; a name that nobody wrote is not a fault.
 */
export type Blobs = {
  /** Keeps `content` under the hash of its bytes; what is there already is not written again. */
  put(content: AsyncIterable<Uint8Array>, limits?: PutLimits): Promise<StoredContent>
  /** Keeps bytes under a name; when it is there already it is replaced. */
  write(name: string, bytes: Uint8Array): Promise<void>
  /** Bytes in a blob, or `null` when there is none. */
  size(name: string): Promise<number | null>
  /** The same, and notes that the blob is needed still. */
  touch(name: string): Promise<number | null>
  /** Up to `most` bytes from byte `from` on; empty at the end, `null` when there is no such blob. */
  read(name: string, from: number, most: number): Promise<Uint8Array | null>
  /** Removing what is not there is fine. With `touchedAt` it goes only if nobody needed it since; says if it went. */
  remove(name: string, seen?: { touchedAt: number }): Promise<boolean>
  /** Names of the blobs below the first two parts of a name, in their order. */
  names(below: string): Promise<string[]>
  /** All blobs whose name has this first part, in no order. */
  list(first: string): AsyncIterable<BlobListing>
}

/** `most` bytes are accepted; with `hash`, only the content that has it. */
export type PutLimits = { most?: number; hash?: string }

export type StoredContent = { name: string; hash: string; size: number }

/** `touchedAt`: when it was written or touched last. Milliseconds since the epoch. */
export type BlobListing = { name: string; size: number; touchedAt: number }

/**
 * `full`: no space left. `too-large`: above the limit of the caller or of a blob. `mismatch`: the content does not
 * have the hash it was announced with. `name`: not a name of a blob. `denied`: the store may not be read or written.
 */
export type BlobFault = 'full' | 'too-large' | 'mismatch' | 'name' | 'denied'

export class BlobError extends Error {
  readonly kind: BlobFault
  constructor(kind: BlobFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BlobError'
    this.kind = kind
  }
}

/** The name of the content with this hash (SHA-256, in hexadecimal). */
export const contentName = (hash: string): string => `content/${hash}`

/** All of a blob, piece by piece; nothing when there is no such blob. */
export async function* contentOf(blobs: Blobs, name: string): AsyncGenerator<Uint8Array, void> {
  const piece = 256 * 1024
  for (let from = 0; ;) {
    const bytes = await blobs.read(name, from, piece)
    if (!bytes?.length) return
    yield bytes
    from += bytes.length
  }
}
