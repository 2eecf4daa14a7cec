import type { Handle, Provider } from '#providers/provider.ts'
import type { Archive } from './reconciler.ts'

/** What is kept of one rank, at the most: twice what an agent keeps. And what is read of it with one call. */
const mostKept = 128 * 1024 * 1024
const mostRead = 1024 * 1024

type Source = { provider: Provider; handle: Handle; ranks: number[]; lease: string; archive: Archive }

/**
 * Copies what the provider has of the ranks' logs into the archive, on from where an earlier call ended. `unreachable`:
 * ask again when the site is back. `more`: the time was up before all was read. `all`: there is nothing more now, or
 * nobody has any.
 */
export async function collectLogs(source: Source, signal: AbortSignal): Promise<'all' | 'more' | 'unreachable'> {
  for (const rank of source.ranks) {
    const collected = await collectRank(source, rank, signal)
    if (collected !== 'all') return collected
  }
  return 'all'
}

async function collectRank(source: Source, rank: number, signal: AbortSignal): Promise<'all' | 'more' | 'unreachable'> {
  const { provider, handle, lease, archive } = source
  let { bytes: kept, end: from } = await archive.kept(lease, rank)
  while (kept < mostKept) {
    if (signal.aborted) return 'more'
    const most = Math.min(mostRead, mostKept - kept)
    const chunk = await provider.logs(handle, { rank, from, most }, signal)
    // Any other fault means that there is no log to be had: a machine is not kept for that.
    if (!chunk.ok) return chunk.fault.kind === 'unreachable' || chunk.fault.kind === 'throttled' ? 'unreachable' : 'all'
    const { from: start, bytes, end } = chunk.value
    await archive.add(lease, rank, { from: start, bytes })
    if (end || bytes.length === 0) return 'all'
    kept += bytes.length
    from = start + bytes.length
  }
  return 'all'
}
