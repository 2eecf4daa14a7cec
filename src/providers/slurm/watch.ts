import { stat } from 'node:fs/promises'

import { monotonicMs } from '#kit/clock.ts'

/** For how long a file has been as it is, in ms, as far as we have watched; nothing without the file. */
export type Watch = (path: string) => Promise<number | undefined>

/** Who is forgotten beyond that is watched anew: what waits for its silence waits a little longer. */
const mostWatched = 10_000

/**
 * Watches files of a shared disk. Its times are those of nodes and of other control planes, whose clocks may be minutes
 * off, so none is compared with ours: that a time is another than before is all that counts. Who begins to watch knows of
 * no silence yet.
 */
export function createWatch(): Watch {
  const watched = new Map<string, { mtimeMs: number; since: number }>()
  return async (path) => {
    const found = await stat(path).catch(() => undefined)
    const before = watched.get(path)
    if (found && before?.mtimeMs === found.mtimeMs) return monotonicMs() - before.since
    watched.delete(path)
    if (!found) return undefined
    watched.set(path, { mtimeMs: found.mtimeMs, since: monotonicMs() })
    const [oldest] = watched.keys()
    if (oldest !== undefined && watched.size > mostWatched) watched.delete(oldest)
    return 0
  }
}
