import type { LeasedRank } from '#model/lease.ts'
import type { SiteReach } from '#model/site.ts'
import type { Workload } from '#model/workload.ts'
import type { Claim, Placed, Store } from '#store/store.ts'
import { aNow } from '#test/builders.ts'
import { someIds } from './postgres.ts'

/** Steps of a workload's life against a real store, for tests that start in the middle of one. */

/** Submits workloads under new ids and returns those, in order. */
export async function submitted(store: Store, workloads: Workload[], now = aNow): Promise<string[]> {
  const rows = workloads.map((workload) => ({ ...workload, id: someIds('w') }))
  await store.workloads.submit(rows, now)
  return rows.map(({ id }) => id)
}

export async function aClaim(store: Store, name = 'admit', holder = 'tester'): Promise<Claim> {
  const claim = await store.claims.take(name, holder, 60)
  if (!claim) throw new Error(`${name} is claimed by somebody else`)
  return claim
}

/** What whoever looks at `local/west` tells of it. */
export async function reached(store: Store, told: Omit<SiteReach, 'site'>): Promise<boolean> {
  return store.sites.reached({ site: 'local/west', ...told }, await aClaim(store, 'observe:local/west'))
}

/** A decision that puts a replica at `local/west`, one CPU for each rank, with new ids for all that comes of it. */
export function aPlacing(
  workload: string,
  options: { replica?: number; nodes?: number; priceMicros?: number } = {},
): Placed {
  const { replica = 0, nodes = 1, priceMicros = 3_600_000 } = options
  const ranks: LeasedRank[] = Array.from({ length: nodes }, (_, rank) => ({
    rank,
    cpuMilli: 1000,
    memoryMiB: 1024,
    diskMiB: 0,
    accelerators: 0,
  }))
  const placement = { provider: 'local', site: 'west', tier: 'on-demand', shape: '16cpu', ranks, priceMicros }
  return {
    decision: { workload, replica, placement, alternatives: [], rejections: [], refusal: null },
    attemptId: someIds('a'),
    leaseId: someIds('l'),
    operationId: someIds('o'),
    planId: someIds('p'),
    graceMs: 30_000,
  }
}

/** Places replicas and brings their leases to `held`, as admit and launch would. */
export async function held(store: Store, placed: Placed[], now = aNow): Promise<void> {
  if (!(await store.placement.commit(await aClaim(store), placed, [], now))) throw new Error('the claim was lost')
  const operations = await store.operations.claim({
    kind: 'launch',
    holder: 'tester',
    now,
    most: placed.length,
    seconds: 60,
  })
  for (const { id, tries, lease } of operations)
    await store.operations.settle({ id, tries, holder: 'tester' }, { state: 'done', detail: '' }, [
      { change: 'lease', id: lease, to: 'starting' },
      { change: 'lease', id: lease, to: 'held' },
    ])
}
