import type { Snapshot } from '#engine/placement/facts.ts'
import type { QueueSnapshot, Usage } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/** Use of a project counts half after a day. */
const halfLifeMs = 86_400_000

/** What projects used of late changes slowly and is read by looking at all leases of some days. */
const usageMs = 60_000
const lastUsage = memory(() => ({ at: Number.NEGATIVE_INFINITY, usage: new Map<string, Usage>() }))

/** What a round is decided on: what was read for it, and what is remembered for a while. */
export const roundFacts = async (house: House, snapshot: QueueSnapshot, now: number): Promise<Snapshot> => ({
  ...snapshot,
  usage: await usageOf(house, now),
  ...(await sentFor(house, snapshot, now)),
})

async function usageOf(house: House, now: number): Promise<Map<string, Usage>> {
  const last = lastUsage(house)
  if (now < last.at + usageMs) return last.usage
  last.usage = await house.store.placement.usage({ now, halfLifeMs })
  last.at = now
  return last.usage
}

const lastSent = memory(() => ({ at: Number.NEGATIVE_INFINITY, sent: new Map<string, bigint>() }))

/** What has left each site this month, where somebody may start who reads data: a month begins at midnight UTC. */
async function sentFor(
  house: House,
  { waiting, running = [] }: QueueSnapshot,
  now: number,
): Promise<Pick<Snapshot, 'sent'>> {
  const reads = [...waiting, ...running].some(({ workload }) =>
    workload.spec.data.some(({ site, sizeMiB }) => site && sizeMiB),
  )
  if (!reads) return {}
  const last = lastSent(house)
  if (now >= last.at + usageMs) {
    const today = new Date(now)
    last.sent = await house.store.market.sent(Date.UTC(today.getUTCFullYear(), today.getUTCMonth()))
    last.at = now
  }
  return { sent: last.sent }
}
