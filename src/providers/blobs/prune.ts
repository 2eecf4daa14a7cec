import type { BlobListing, Blobs } from './blobs.ts'

/** What was written or asked for so lately may be about to be used: it stays, whatever else is said. */
const freshMs = 3_600_000

/** What of one kind of blob may stay: nothing older, and the newest ones up to so many bytes in all. */
export type Keep = { maxAgeMs: number; maxBytes: number }

/**
 * Removes the blobs of a kind (`logs`, `content`) that are too old, then the oldest until the rest fits. `now` is the
 * wall clock's time, because that is what files are stamped with. What `inUse` names stays.
 */
export async function prune(
  blobs: Blobs,
  first: string,
  options: { keep: Keep; now: number; inUse?: (name: string) => boolean },
): Promise<{ removed: number; removedBytes: number; keptBytes: number }> {
  const { keep, now, inUse = () => false } = options
  const listed: BlobListing[] = []
  for await (const blob of blobs.list(first)) listed.push(blob)
  listed.sort((a, b) => b.touchedAt - a.touchedAt)
  const done = { removed: 0, removedBytes: 0, keptBytes: 0 }
  for (const { name, size, touchedAt } of listed) {
    const fits = now - touchedAt <= keep.maxAgeMs && done.keptBytes + size <= keep.maxBytes
    const stays = fits || now - touchedAt <= freshMs || inUse(name)
    if (stays || !(await blobs.remove(name, { touchedAt }))) {
      done.keptBytes += size
      continue
    }
    done.removed++
    done.removedBytes += size
  }
  return done
}
