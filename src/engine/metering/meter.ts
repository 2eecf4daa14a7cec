import { costMicros } from '#kit/money.ts'
import type { Entry } from '#model/entry.ts'
import type { Lease } from '#model/lease.ts'

/**
 * While a lease lives, its time is written down in pieces that grow with its age, from ten seconds to a minute: people
 * and small budgets see at once what a young lease costs, and the ledger of an old one stays short.
 */
const pieceMs = (ageMs: number): number => Math.min(60_000, Math.max(shortestEntryMs, ageMs / 4))
export const shortestEntryMs = 10_000

/**
 * The entries due for a lease at `now`: its time since the last one, exact to the millisecond and the micro-dollar.
 * Each amount is the difference of two totals from the start of the lease, so that the entries add up to the cost of
 * the whole lease wherever time was cut. A clock that went backwards bills nothing.
 */
export function meter(lease: Lease, now: number): Entry[] {
  if (lease.startedAt === null) return []
  const start = lease.startedAt
  const from = lease.meteredUntil ?? start
  const to = lease.endedAt === null ? now : Math.max(start, lease.endedAt)
  const due = lease.endedAt === null ? to - from >= pieceMs(from - start) : to > from
  if (!due) return []
  const price = BigInt(lease.priceMicros)
  const { id, workload, project, provider, site, tier } = lease
  const amountMicros = costMicros(price, to - start) - costMicros(price, from - start)
  return [{ lease: id, workload, project, provider, site, tier, from, to, amountMicros }]
}
