import { Tier } from '#model/names.ts'

import type { Look } from './look.ts'
import type { Need } from './need.ts'
import { compareRuns, hasCommitment, weigh, type Prices } from './prices.ts'

/** A way to place a need that no fixed rule bars: an offer, and whether its ranks are to stand as close as is preferred. */
export type Fit = { look: Look; isClose: boolean }

/**
 * Which of two fits is tried first: the accelerator that is named earlier, then the one as close together as is
 * preferred, then by the whole run what the workload wants (its cost, its end or both), then the cheaper hour, then the
 * tier. The key decides the rest, so that no order is left to chance. (Copies that are to be spread come before all of
 * this, and change while others are placed: `rows.ts`.)
 */
export const byPreference =
  (need: Need, prices: Prices) =>
  (a: Fit, b: Fit): number =>
    byWish(need)(a, b) ||
    compareRuns(need, weigh(need, a.look, prices), weigh(need, b.look, prices)) ||
    a.look.priceMicros - b.look.priceMicros ||
    Tier.options.indexOf(a.look.candidate.offer.tier) - Tier.options.indexOf(b.look.candidate.offer.tier) ||
    (a.look.candidate.key < b.look.candidate.key ? -1 : 1)

/** The part of it that is a wish of the spec, before any price. */
const byWish =
  ({ roles }: Need) =>
  (a: Fit, b: Fit): number => {
    const isOrdered = roles.some(({ resources }) => resources.ordered)
    return (isOrdered ? a.look.choice - b.look.choice : 0) || Number(b.isClose) - Number(a.isClose)
  }

/**
 * The fits that are left in the order of now: by price again where commitments were drawn on since, and where there is a
 * plan as it steers. What others would give for a place is in its price; who wants to end early is not held up by a plan.
 */
export function inOrderOfNow(
  { need, fits }: { need: Need; fits: readonly Fit[] },
  open: number[],
  prices: Prices,
): number[] {
  const at = (i: number): Fit => fits[i] ?? missing(i)
  const isCommitted = open.some((i) => hasCommitment(at(i).look))
  const order = byPreference(need, prices)
  const byPrice = isCommitted && prices.draws > 0 ? open.toSorted((a, b) => order(at(a), at(b)) || a - b) : open
  if (need.spec.objective !== 'cost') return byPrice
  const planned = prices.steering.order(need.key, byPrice, (i) => at(i).look.candidate.key)
  return planned === byPrice ? byPrice : planned.toSorted((a, b) => byWish(need)(at(a), at(b)))
}

const missing = (i: number): never => {
  throw new RangeError(`no fit ${i}`)
}
