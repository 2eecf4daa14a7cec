/** A line of the ledger: what a lease cost between two instants. Lines are added, never changed. */
export type Entry = {
  lease: string
  workload: string
  project: string
  provider: string
  site: string
  tier: string
  /** The interval [from, to), in milliseconds since the epoch. */
  from: number
  to: number
  amountMicros: bigint
}
