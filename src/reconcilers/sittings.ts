import type { More } from '#engine/placement/facts.ts'
import type { News, Sitting } from '#engine/placement/sitting.ts'
import type { Claim, Store } from '#store/store.ts'
import { memory } from './memory.ts'
import { createUntold } from './untold.ts'

/**
 * After so long everything is looked at anew: what changes with time alone, and what nobody was told of. Where a look takes
 * long it is later, so many times as long, though no later than the most.
 */
const lookAfter = { leastMs: 5_000, times: 60, mostMs: 10_000 }

/** When everything is looked at anew after a look that began and ended then, though nothing is heard. */
export function nextLookAt(began: number, ended: number): number {
  const { leastMs, times, mostMs } = lookAfter
  return began + Math.max(leastMs, Math.min(mostMs, times * (ended - began)))
}

/**
 * Where nothing was heard since the last look at everything there is nothing new to decide for so long: a net below the
 * nudges. Each time that nothing was heard until then either it is twice as long, up to the most.
 */
const net = { firstMs: 300_000, mostMs: 1_800_000 }

/** Whoever was told of more than so much looks at everything anew. */
const mostNews = 20_000

/** A sitting that goes on, and the news for it. */
export type Told = {
  sitting: Sitting
  news: News
  /** It may go on again. When it is to, if nothing happens. */
  again: (tellAt: number | null) => number | null
}

type Kept = {
  sitting: Sitting
  epoch: number
  /** Of when the plan over sites is that it goes by; it counts itself what it takes of that. */
  planAsOf: number | undefined
  lookAt: number
  at: number | null
  moreUntold: boolean
}
/** A look at everything after which nothing was left to do, until then: until the net at the latest. */
type Done = Pick<Kept, 'epoch' | 'planAsOf'> & { until: number; netAt: number }
type Keeping = Pick<Kept, 'planAsOf' | 'at' | 'moreUntold'> & { claim: Claim; now: number }

/**
 * The round of placement that is still open, and what was heard since it began. All that takes capacity is written under
 * the claim under which it began; of all else that happens the nudges tell. Who is told late of a lease that is gone only
 * leaves its room unused for so long.
 */
export const sittingOf = memory(({ store, clock, steering }) => {
  let gone: string[] = []
  let come: string[] = []
  let isStale = true
  let open: Kept | null = null
  let done: Done | null = null
  let netMs = net.firstMs
  // Whoever is forgotten here is refused again, and told, with the next look.
  const untold = createUntold()
  const hear = (more: string[], ids: readonly string[]): void => {
    if (!isStale) more.push(...ids)
    isStale ||= gone.length + come.length > mostNews
  }
  store.onNudge((nudge, ids) => {
    if (nudge === 'admit') isStale = true
    if (nudge === 'gone') hear(gone, ids)
    if (nudge === 'come') hear(come, ids)
  })
  return {
    untold,
    /** Everything is about to be read: what is heard from now on is news. */
    looks(): void {
      if (!done || isStale || gone.length + come.length > 0) netMs = net.firstMs
      else if (clock.now() >= done.netAt) netMs = Math.min(net.mostMs, netMs * 2)
      ;[gone, come, isStale, open, done] = [[], [], false, null, null]
      untold.clear()
    },
    /** All that was read is decided and told; at `at` there is more to do by itself. */
    rest({ claim, now, planAsOf, at }: Omit<Keeping, 'moreUntold'>): void {
      done = { epoch: claim.epoch, planAsOf, until: Math.min(at ?? Infinity, now + netMs), netAt: now + netMs }
    },
    /** Until when there is nothing to look at; null where there may be. */
    restsUntil(claim: Claim): number | null {
      if (!done || isStale || gone.length + come.length > 0) return null
      if (done.epoch !== claim.epoch || done.planAsOf !== steering?.plan()?.asOf) return null
      return clock.now() < done.until ? done.until : null
    },
    keep(sitting: Sitting, { claim, now, planAsOf, at, moreUntold }: Keeping): void {
      const lookAt = Math.min(nextLookAt(now, clock.now()), at ?? Infinity)
      open = { sitting, epoch: claim.epoch, planAsOf, lookAt, at, moreUntold }
    },
    /** What has changed; null where everything is to be looked at. */
    async news(claim: Claim): Promise<Told | null> {
      if (!open || isStale || open.epoch !== claim.epoch) return null
      if (clock.now() >= open.lookAt || open.planAsOf !== steering?.plan()?.asOf) return null
      const [kept, workloads, leases] = [open, come, gone]
      // Until it is known what comes of it.
      ;[gone, come, open, done] = [[], [], null, null]
      const asked = workloads.length > 0 ? await store.placement.come(workloads, clock.now()) : []
      const more = await readMore(store, kept.sitting, clock.now())
      if (!asked || !more || isStale) return null
      return {
        sitting: kept.sitting,
        news: { gone: leases, come: asked, more },
        again(tellAt) {
          kept.lookAt = Math.min(kept.lookAt, tellAt ?? Infinity)
          if (leases.length + workloads.length > 0 || tellAt !== null) kept.at = kept.lookAt
          open = kept
          // Others were never told why they wait, and were not even read.
          if (untold.at() === null && kept.moreUntold) kept.at = kept.lookAt = 0
          return soonest(kept.at, untold.at())
        },
      }
    },
  }
})

/** More of each need that has run out; null where that takes a look at everything. */
async function readMore({ placement }: Store, { ranOut }: Sitting, now: number): Promise<More[] | null> {
  if (ranOut.length === 0) return []
  const behind = ranOut.map(({ need, last: { workload, replica } }) => {
    const { id, createdAt } = workload
    return { need, createdAt, workload: id, replica: replica.replica }
  })
  return placement.more(behind, now)
}

export const soonest = (one: number | null, other: number | null): number | null =>
  one === null ? other : other === null ? one : Math.min(one, other)
