import { costMicros } from '#kit/money.ts'
import type { LeaseRow } from './rows.ts'

/** Micro-dollars that the ledger does not have yet of a lease: what its entries will add until `now`, or until it ended. */
export function owed({ priceMicros, startedAt, endedAt, meteredUntil }: LeaseRow, now: number): bigint {
  if (startedAt === null || meteredUntil === null) return 0n
  const price = BigInt(priceMicros)
  const due = costMicros(price, (endedAt ?? now) - startedAt) - costMicros(price, meteredUntil - startedAt)
  return due > 0n ? due : 0n
}

export const owedBy = (leases: readonly LeaseRow[], now: number): bigint =>
  leases.reduce((sum, lease) => sum + owed(lease, now), 0n)
