import { halfLives } from '#store/queries/usage.ts'
import type { Usage } from '#store/store.ts'
import type { Memory } from './memory.ts'
import { all } from './tables.ts'

/** What each project held on average, newer times counting more, as the query of the same name says it. */
export function readUsage({ leases }: Memory, now: number, halfLifeMs: number): Map<string, Usage> {
  const faded = (at: number) => 2 ** -Math.min(64, Math.max(0, now - at) / halfLifeMs)
  const sums = new Map<string, Usage>()
  for (const lease of leases.used.get(all).slice(leases.used.behind(all, [now - halfLives * halfLifeMs]))) {
    const part = faded(lease.endedAt ?? now) - faded(lease.startedAt ?? now)
    const sum = sums.get(lease.project) ?? { accelerators: 0, cpuMilli: 0, memoryMiB: 0 }
    for (const { accelerators, cpuMilli, memoryMiB } of lease.ranks) {
      sum.accelerators += accelerators * part * 1000
      sum.cpuMilli += cpuMilli * part
      sum.memoryMiB += memoryMiB * part
    }
    sums.set(lease.project, sum)
  }
  return sums
}
