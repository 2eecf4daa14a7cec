import type { EntryRow } from './rows.ts'

/** What entries that have all of these in common add up to. */
export type Bill = Pick<EntryRow, 'workload' | 'project' | 'provider' | 'site' | 'tier'> & {
  amountMicros: bigint
  leaseMs: bigint
  count: number
}

/** Sums beside the entries, so that what a house cost is told without reading a line for each ten minutes. */
export function createBills() {
  const bills = new Map<string, Bill>()
  const count = (entry: EntryRow, sign: 1n | -1n): void => {
    const { workload, project, provider, site, tier } = entry
    const key = `${workload} ${project} ${provider}/${site} ${tier}`
    const bill = bills.get(key) ?? { workload, project, provider, site, tier, amountMicros: 0n, leaseMs: 0n, count: 0 }
    bill.amountMicros += sign * entry.amountMicros
    bill.leaseMs += sign * BigInt(entry.to - entry.from)
    bill.count += Number(sign)
    if (bill.count === 0) bills.delete(key)
    else bills.set(key, bill)
  }
  return {
    columns: [],
    add: (entry: EntryRow) => count(entry, 1n),
    remove: (entry: EntryRow) => count(entry, -1n),
    all: (): Iterable<Bill> => bills.values(),
  }
}
