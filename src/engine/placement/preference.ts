import { Tier } from '#model/names.ts'

import type { Look } from './look.ts'
import type { Need } from './need.ts'

/** A way to place a need that no fixed rule bars: an offer, and whether its ranks are to stand as close as is preferred. */
export type Fit = { look: Look; isClose: boolean }

/**
 * Which of two fits is tried first: the accelerator that is named earlier, then the one as close together as is
 * preferred, then the cheaper, then the tier. Every candidate runs equally long, so the price of an hour stands for that
 * of the run. The key decides the rest, so that no order is left to chance. (Copies that are to be spread come before all
 * of this, and change while others are placed: `rows.ts`.)
 */
export const byPreference =
  ({ roles }: Need) =>
  (a: Fit, b: Fit): number => {
    const isOrdered = roles.some(({ resources }) => resources.ordered)
    return (
      (isOrdered ? a.look.choice - b.look.choice : 0) ||
      Number(b.isClose) - Number(a.isClose) ||
      a.look.priceMicros - b.look.priceMicros ||
      Tier.options.indexOf(a.look.candidate.offer.tier) - Tier.options.indexOf(b.look.candidate.offer.tier) ||
      (a.look.candidate.key < b.look.candidate.key ? -1 : 1)
    )
  }
