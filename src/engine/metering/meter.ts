import { costMicros } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import type { Lease } from '#model/lease.ts'

/**
 * While a lease lives, its time is written down in pieces that grow with its age, from ten seconds to ten minutes: what
 * is written is never less than four fifths of what it has cost, and the ledger of an old one stays short. The store
 * reads leases in the order in which they are due by this (`queries/ledger.ts`).
 */
const pieceMs = (ageMs: number): number => Math.min(600_000, Math.max(shortestEntryMs, ageMs / 4))
export const shortestEntryMs = 10_000
const hourMs = 3_600_000
/** After weeks in which nobody was there to write it down, time is entered in steps: so much of a lease at once. */
const mostMs = 24 * hourMs

/** When the next entry of a lease is due; null where nothing is billed yet. One that has ended is due at once. */
export function entryDueAt({ startedAt, meteredUntil, endedAt }: Lease): number | null {
  if (startedAt === null) return null
  const since = meteredUntil ?? startedAt
  return endedAt === null ? since + pieceMs(since - startedAt) : endedAt
}

/** Whoever writes an entry that is due writes those with it that have this share of their time behind them. */
export const nearly = 0.9

/**
 * The entries due for a lease at `now`, or once `share` of the time until then has gone by: its time since the last one, exact to the millisecond and the micro-dollar, one
 * for each hour of the day that it lies in. Each amount is the difference of two totals from the start of the lease, so
 * that the entries add up to the cost of the whole lease wherever time was cut. A clock that went backwards bills
 * nothing.
 */
export function meter(lease: Lease, now: number, share = 1): Entry[] {
  if (lease.startedAt === null) return []
  const start = lease.startedAt
  const since = lease.meteredUntil ?? start
  const end = lease.endedAt === null ? now : Math.max(start, lease.endedAt)
  const isDue = lease.endedAt === null ? end >= since + share * pieceMs(since - start) : end > since
  if (!isDue) return []
  const until = Math.min(end, since + mostMs)
  const price = BigInt(lease.priceMicros)
  const { id, workload, project, provider, site, tier } = lease
  const entries: Entry[] = []
  for (let from = since, to = from; from < until; from = to) {
    to = Math.min(until, (Math.floor(from / hourMs) + 1) * hourMs)
    const amountMicros = costMicros(price, to - start) - costMicros(price, from - start)
    entries.push({ lease: id, workload, project, provider, site, tier, from, to, amountMicros })
  }
  return entries
}
