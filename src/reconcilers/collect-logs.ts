import type { Handle, Provider } from '#providers/provider.ts'
import type { Archive } from './reconciler.ts'

/** What is kept of one rank, and read of it with one call. */
const mostKept = 64 * 1024 * 1024
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
  const before = await archive.size(lease, rank)
  let kept = before
  let from = before
  while (kept < mostKept) {
    if (signal.aborted) return 'more'
    const most = Math.min(mostRead, mostKept - kept)
    const chunk = await provider.logs(handle, { rank, from, most }, signal)
    // Any other fault means that there is no log to be had: a machine is not kept for that.
    if (!chunk.ok) return chunk.fault.kind === 'unreachable' || chunk.fault.kind === 'throttled' ? 'unreachable' : 'all'
    const { from: start, bytes, end } = chunk.value
    // After a gap the archive counts other bytes than the provider: what an earlier call kept must do.
    if (start > from && before > 0) return 'all'
    const piece = start > from ? Buffer.concat([gap(start - from), bytes]) : bytes
    if (piece.length > 0) await archive.append(lease, rank, piece)
    if (end || bytes.length === 0) return 'all'
    kept += piece.length
    from = start + bytes.length
  }
  return 'all'
}

/** What stands for output that the provider dropped to keep the log bounded. */
const gap = (bytes: number): Buffer => Buffer.from(`[${bytes} bytes of older output were dropped]\n`)
