import type { WorkloadRow } from './rows.ts'

/** When a workload is due of which there is news: never when a claim to decide about it runs out. */
export const dueWithNews = ({ dueAt, claimedUntil }: WorkloadRow, now: number): number =>
  Math.min(dueAt ?? Infinity, now, (claimedUntil ?? Infinity) - 1)
