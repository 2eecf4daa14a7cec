import type { Fault } from '#model/fault.ts'
import type { Handle, Provider } from '#providers/provider.ts'
import type { Archive } from './reconciler.ts'

/** What is kept of one rank, at the most: twice what an agent keeps. And what is read of it with one call. */
const mostKept = 128 * 1024 * 1024
const mostRead = 1024 * 1024
/** So many ranks are read side by side: one whose node is slow delays only those after it. */
const atOnce = 8

/** How far the logs of a lease have been read. */
export type Progress = {
  /** Ranks whose logs were read to their end. */
  finished: Set<number>
  /** When there was something new last. */
  movedAt: number
  /** Until when a node is waited for that does not give its log while its site answers: it may be coming back with it. */
  nodesUntil: number
}

export type Source = {
  provider: Provider
  handle: Handle
  ranks: number[]
  lease: string
  archive: Archive
  progress: Progress
  now(): number
}

type Collected = 'all' | 'more' | 'unreachable'

/**
 * Copies what the provider has of the ranks' logs into the archive, on from where an earlier call ended. `unreachable`:
 * some of them were not given; ask again. `more`: the time was up before all was read. `all`: there is nothing more now,
 * or nobody has any.
 */
export async function collectLogs(source: Source, signal: AbortSignal): Promise<Collected> {
  const left = source.ranks.filter((rank) => !source.progress.finished.has(rank))
  const found = new Set<Collected>()
  const readOn = async (): Promise<void> => {
    for (let rank = left.shift(); rank !== undefined; rank = left.shift())
      found.add(signal.aborted ? 'more' : await collectRank(source, rank, signal))
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, left.length) }, readOn))
  if (found.has('more')) return 'more'
  return found.has('unreachable') ? 'unreachable' : 'all'
}

async function collectRank(source: Source, rank: number, signal: AbortSignal): Promise<Collected> {
  const { provider, handle, lease, archive, progress, now } = source
  const finish = (): Collected => {
    progress.finished.add(rank)
    progress.movedAt = now()
    return 'all'
  }
  let { bytes: kept, end: from } = await archive.kept(lease, rank)
  while (kept < mostKept) {
    if (signal.aborted) return 'more'
    const most = Math.min(mostRead, mostKept - kept)
    const chunk = await provider.logs(handle, { rank, from, most }, signal)
    if (!chunk.ok && signal.aborted) return 'more'
    // Any other fault means that there is no log to be had: a machine is not kept for that.
    if (!chunk.ok) return isToCome(chunk.fault, progress, now()) ? 'unreachable' : 'all'
    const { from: start, bytes, end } = chunk.value
    await archive.add(lease, rank, { from: start, bytes })
    if (end) return finish()
    if (bytes.length === 0) return 'all'
    progress.movedAt = now()
    kept += bytes.length
    from = start + bytes.length
  }
  return finish()
}

const isToCome = ({ kind, retry }: Fault, { nodesUntil }: Progress, now: number): boolean =>
  kind === 'unreachable' || kind === 'throttled' || (retry === 'later' && now < nodesUntil)

/** Says at the end of what was kept that there was more, so that nobody takes it for all. */
export async function tellOfTheRest({ ranks, lease, archive, progress }: Source, why: string): Promise<void> {
  const bytes = Buffer.from(`\nisobar: the rest of this log is missing: ${why}\n`)
  for (const rank of ranks) {
    if (progress.finished.has(rank)) continue
    await archive.add(lease, rank, { from: (await archive.kept(lease, rank)).end, bytes })
    progress.finished.add(rank)
  }
}
