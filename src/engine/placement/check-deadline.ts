import type { Offer } from '#model/offer.ts'
import type { Decision } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'

import type { PlaceInput } from './place.ts'

const hourMs = 3_600_000
/** It takes five minutes at the least until a run goes on elsewhere. */
const leastStartMs = 300_000

/** Whether it could not end in time at such an offer, though all that it has done was saved. */
export function isLate({ snapshot, now }: PlaceInput, { id, spec }: Workload, { shape }: Offer): boolean {
  if (spec.deadline === undefined) return false
  const named = Object.entries(spec.throughput)
  const speed = named.find(([each]) => each.toLowerCase() === shape.accelerator?.toLowerCase())?.[1] ?? 1
  const fastest = named.reduce((most, [, each]) => Math.max(most, each), 1)
  const tries = (snapshot.spot?.tries ?? []).filter(({ workload }) => workload === id)
  const doneMs = tries.reduce((sum, { ranMs }) => sum + ranMs * fastest, 0)
  return now + Math.max(0, (spec.duration.expectedMs ?? 0) - doneMs) / speed > spec.deadline
}

/**
 * Who is planned to its deadline is on capacity that may be taken away, or waits, only while it could still be started on
 * capacity that lasts and end in time: after its slowest start, and with what it would have lost of its work by then.
 */
export function* deadlinesHold({ snapshot, now }: PlaceInput, decisions: readonly Decision[]): Iterable<string> {
  const { waiting, sites, spot } = snapshot
  const specOf = new Map(waiting.map(({ workload }) => [workload.id, workload.spec]))
  for (const { workload, placement, deadline: choice } of decisions) {
    const spec = specOf.get(workload)
    if (!choice || spec?.deadline === undefined) continue
    const { provider, site, tier, shape } = placement ?? {}
    const offer = sites
      .find((each) => each.site === `${provider}/${site}`)
      ?.offers.find((each) => each.tier === tier && each.shape.name === shape)
    if (offer && offer.tier !== 'spot' && (offer.until ?? Infinity) >= spec.deadline) continue
    // Where nothing that lasts is to be had, nothing else is better.
    if (offer && choice.does === 'on-demand') continue
    const everyMs = spec.checkpoint.everyMs ?? hourMs
    const tries = (spot?.tries ?? []).filter((each) => each.workload === workload)
    const doneMs = tries.reduce((sum, { ranMs }) => sum + Math.max(0, ranMs - everyMs), 0)
    const startMs = tries.reduce((most, each) => Math.max(most, each.startMs), leastStartMs)
    const fastest = Math.max(1, ...Object.values(spec.throughput))
    const leftMs = Math.max(0, (spec.duration.expectedMs ?? 0) - doneMs) / fastest
    if (now + leftMs + startMs + Math.min(everyMs, leftMs) > spec.deadline)
      yield `${workload} ${placement ? 'goes where it may be taken away' : 'waits'}, and what lasts could not be in time after it`
  }
}
