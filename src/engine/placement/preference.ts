import { Tier } from '#model/names.ts'

import { levelOf, type Packed } from './fleet.ts'
import type { Need } from './need.ts'
import type { Look, Round } from './round.ts'

/** An offer that would do, and the nodes that it would take (null where the provider chooses them). */
export type Fit = { look: Look; packed: Packed | null }

/**
 * Which of two fits goes first: the one with fewer copies of this workload beside it when they are to be spread, then
 * the accelerator that is named earlier, then the one as close together as is preferred, then the cheaper, then the
 * tier. Every candidate runs equally long, so the price of an hour stands for that of the run. The key decides the
 * rest, so that no order is left to chance.
 */
export const byPreference = (need: Need, round: Round) => {
  const places = new Map<Look, number[]>()
  const placeOf = (fit: Fit): number[] => {
    let place = places.get(fit.look)
    if (!place) places.set(fit.look, (place = [...copiesBeside(need, fit, round), ...wishes(need, fit)]))
    return place
  }
  return (a: Fit, b: Fit): number => {
    const [as, bs] = [placeOf(a), placeOf(b)]
    for (let i = 0; i < as.length; i++) if (as[i] !== bs[i]) return (as[i] ?? 0) - (bs[i] ?? 0)
    return a.look.candidate.key < b.look.candidate.key ? -1 : 1
  }
}

function copiesBeside({ spec, workload }: Need, { look }: Fit, { copies }: Round): number[] {
  const { spread } = spec.placement
  if (spread === 'none') return [0, 0]
  const { siteKey, offer } = look.candidate
  const atProvider = copies.get(`${workload.id} ${offer.provider}`) ?? 0
  const atSite = copies.get(`${workload.id} ${siteKey}`) ?? 0
  return [spread === 'provider' ? atProvider : 0, atSite]
}

function wishes(need: Need, { look, packed }: Fit): number[] {
  return [
    need.resources.ordered ? look.choice : 0,
    isClose(need, { look, packed }) ? 0 : 1,
    look.priceMicros,
    Tier.options.indexOf(look.candidate.offer.tier),
  ]
}

/** Whether a gang would stand inside one domain of the level that it would like. */
function isClose({ spec, ranks }: Need, { look, packed }: Fit): boolean {
  const { fleet } = look.candidate
  if (!spec.topology || ranks === 1 || spec.topology.within === 'site') return true
  return fleet !== null && packed !== null && packed.level <= levelOf(fleet, spec.topology.within)
}
