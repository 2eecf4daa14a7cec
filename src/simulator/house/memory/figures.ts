import type { Figures } from '#store/queries/figures.ts'
import type { Memory } from './memory.ts'
import { all, siteOf } from './tables.ts'

export function figuresOf({ workloads, leases, sites }: Memory): Figures {
  const active = workloads.active.get(all)
  const ofKinds = Map.groupBy(active, ({ kind, state }) => `${kind} ${state}`)
  const open = [...leases.openAt.keys()].flatMap((site) => leases.openAt.get(site))
  const ofSites = Map.groupBy(open, (lease) => `${siteOf(lease)} ${lease.tier} ${lease.state}`)
  return {
    workloads: [...ofKinds.values()].flatMap((some) =>
      some.slice(0, 1).map(({ kind, state }) => ({ kind, state, count: some.length })),
    ),
    oldestQueued: active.find(({ state }) => state === 'queued')?.createdAt ?? null,
    leases: [...ofSites.values()].flatMap((some) =>
      some.slice(0, 1).map((one) => ({
        site: siteOf(one),
        tier: one.tier,
        state: one.state,
        count: some.length,
        priceMicros: some.reduce((sum, { priceMicros }) => sum + priceMicros, 0),
      })),
    ),
    sites: sites.byKey.get(all).map(({ key, reach }) => ({ site: key, reach })),
  }
}
