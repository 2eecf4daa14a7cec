import type { LiveLease } from '#model/live-lease.ts'
import type { Offer } from '#model/offer.ts'
import type { Decision } from '#model/plan.ts'

import type { Asked } from './facts.ts'
import type { PlaceInput } from './place.ts'

const [hourMs, minuteMs] = [3_600_000, 60_000]

/**
 * What is wrong with a decision by which a job goes back to spot capacity, in words. It runs on capacity that lasts, at a
 * site that answers, saves its work, and spot capacity is cheaper; the hour has moves left, for it and for its project; it did not have to leave in
 * this hour; and when it has left, and lost what
 * it did since its last checkpoint, it may still start once in vain and then, on capacity that lasts, be in time.
 */
export function* wayBackHolds(
  input: PlaceInput,
  { workload, replica, preempts = [], deadline }: Decision,
): Iterable<string> {
  const { leases, running = [] } = input.snapshot
  const [victim, ...others] = preempts
  const asked = running.find((each) => each.workload.id === workload && each.replica.replica === replica)
  const lease = leases.find(({ id, leaves }) => id === victim?.lease && !leaves)
  if (!asked || !lease || others.length > 0 || lease.workload !== workload)
    return yield `${workload} goes back and holds nothing, or others leave with it`
  yield* money(input, asked, lease)
  yield* rest(input, lease)
  yield* inTime(input, asked)
  if (deadline?.does !== 'spot') yield `${workload} goes back, and not to spot capacity`
}

function* money(
  { snapshot: { sites } }: PlaceInput,
  { workload: { id, spec } }: Asked,
  lease: LiveLease,
): Iterable<string> {
  const offers = sites.flatMap((site) => (site.reach === 'reachable' ? site.offers : []))
  const its = offers.find(
    ({ provider, site, tier, shape }) =>
      provider === lease.provider && site === lease.site && tier === lease.tier && shape.name === lease.shape,
  )
  if (lease.tier === 'spot' || (its?.until ?? Infinity) < (spec.deadline ?? 0))
    yield `${id} goes back from what it may lose`
  const isCheaper = offers.some(
    (offer) =>
      (offer.tier === 'spot' || (offer.until ?? Infinity) < (spec.deadline ?? 0)) &&
      leastOf(offer, lease) < lease.priceMicros,
  )
  if (!isCheaper) yield `${id} goes back, and nothing is cheaper`
}

/** What its ranks cost for an hour at the least: of a node that is divided each pays for no less than its part of the scarcest. */
function leastOf({ priceMicros, divisible, shape }: Offer, { ranks }: LiveLease): number {
  const partOf = ({ accelerators, cpuMilli }: LiveLease['ranks'][number]): number =>
    shape.accelerators > 0 ? accelerators / shape.accelerators : cpuMilli / Math.max(1, shape.cpuMilli)
  return ranks.reduce((sum, rank) => sum + priceMicros * (divisible ? Math.min(1, partOf(rank)) : 1), 0)
}

function* rest({ snapshot, now, movesPerHour = 0 }: PlaceInput, lease: LiveLease): Iterable<string> {
  const { projects, preemptions = [] } = snapshot
  const recent = preemptions.filter(({ at }) => at > now - hourMs)
  const perHour = projects.find(({ name }) => name === lease.project)?.preemption.perHour ?? Infinity
  const { provider, site } = lease
  if (!snapshot.sites.some((one) => one.site === `${provider}/${site}` && one.reach === 'reachable'))
    yield `${lease.workload} goes back from a site that does not answer`
  if (!lease.movable) yield `${lease.workload} goes back and may not be moved`
  if (recent.filter(({ isMove }) => isMove).length + 1 > movesPerHour)
    yield `${lease.workload} goes back, and too many were moved in this hour`
  if (recent.filter(({ project }) => project === lease.project).length + 1 > perHour)
    yield `work of ${lease.project} is stopped too often`
  if (recent.some(({ victim }) => victim === lease.workload)) yield `${lease.workload} had to leave in this hour`
}

function* inTime({ snapshot, now }: PlaceInput, { workload: { id, spec } }: Asked): Iterable<string> {
  const everyMs = spec.checkpoint.everyMs ?? hourMs
  const tries = (snapshot.spot?.tries ?? []).filter((each) => each.workload === id)
  const doneMs = tries.reduce((sum, { ranMs }) => sum + Math.max(0, ranMs - everyMs), 0)
  const startMs = tries.reduce((most, each) => Math.max(most, each.startMs), 5 * minuteMs)
  const leftMs = Math.max(0, (spec.duration.expectedMs ?? 0) - doneMs) / Math.max(1, ...Object.values(spec.throughput))
  if (now + spec.checkpoint.graceMs + minuteMs + leftMs + startMs + Math.min(everyMs, leftMs) > (spec.deadline ?? 0))
    yield `${id} goes back, and what lasts could not be in time after it`
}
