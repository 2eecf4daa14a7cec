import type { Instant } from '#kit/clock.ts'

import type { Market, MarketPlan } from './aggregate.ts'

/** A plan steers for so long; what has changed since then is worse to ignore than scarcity. */
export const planPatienceMs = 120_000

export type Steering = {
  /** The choices of a class that no rule bars, best first. Whether they have room is for the caller to see. */
  order(index: number): number[]
  /** A gang of this class went there. */
  took(index: number, choice: number): void
}

/**
 * Where a gang of a class should go first, given what others want. With a plan that is fresh: where the class is most
 * behind what was planned for it, then by price and scarcity, that is, by what it costs all together. Without one: the
 * cheapest.
 */
export function steer(market: Market, found: { plan: MarketPlan; asOf: Instant } | undefined, now: Instant): Steering {
  const plan = found && now - found.asOf <= planPatienceMs ? found.plan : undefined
  const left = plan?.gangs.map((gangs) => [...gangs])
  const allowed = market.classes.map(({ choices }, index) => {
    const price = (choice: number) => (choices[choice]?.costMicros ?? 0) + (plan?.scarcityMicros[index]?.[choice] ?? 0)
    return [...choices.keys()]
      .filter((choice) => choices[choice]?.barredBy === undefined)
      .sort((one, other) => price(one) - price(other) || one - other)
  })
  return {
    order(index) {
      const choices = allowed[index] ?? []
      const behind = left?.[index]
      if (!behind) return choices
      // A choice is planned while a hundredth of a gang is left for it: an interior point leaves dust everywhere.
      const planned = (choice: number) => {
        const gangs = behind[choice] ?? 0
        return gangs > 0.01 ? gangs : 0
      }
      return choices.toSorted((one, other) => planned(other) - planned(one)) // a stable sort: else by price
    },
    took(index, choice) {
      const behind = left?.[index]
      if (behind) behind[choice] = (behind[choice] ?? 0) - 1
    },
  }
}
