import type { Instant } from '#kit/clock.ts'

import type { MarketPlan } from './aggregate.ts'
import type { KeyedMarket } from './demand.ts'

/**
 * A plan steers for so long. While work comes and goes there is a new one every half minute, so one that is older is of a
 * house in which nothing changed, or of one whose solver fails: what has changed since is worse to ignore than scarcity.
 */
export const planPatienceMs = 330_000

/** A plan as placement reads it: by the keys of those who want the same, and of candidates. */
export type SteeringPlan = {
  asOf: Instant
  /** Gangs that are planned for a candidate and were not placed there since; fractions are usual. */
  gangs: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** What one more node of a candidate would save others, in micro-dollars: one that is paid for anyway, and any other. */
  paidMicros: ReadonlyMap<string, number>
  nodeMicros: ReadonlyMap<string, number>
}

/** What a plan says of candidates. */
export function steeringOf({ market, classes, pools }: KeyedMarket, plan: MarketPlan, asOf: Instant): SteeringPlan {
  const gangs = new Map(
    classes.map((key, index) => {
      const planned = new Map<string, number>()
      for (const [choice, { pool }] of (market.classes[index]?.choices ?? []).entries())
        add(planned, pools[pool]?.candidate ?? '', plan.gangs[index]?.[choice] ?? 0)
      return [key, planned]
    }),
  )
  const scarce = (paid: boolean) =>
    new Map(
      pools.flatMap(({ candidate, isPaid }, pool) => {
        const micros = plan.poolMicros[pool] ?? 0
        return isPaid === paid && micros > 0 ? [[candidate, micros] as const] : []
      }),
    )
  return { asOf, gangs, paidMicros: scarce(true), nodeMicros: scarce(false) }
}

/** The same plan after gangs were placed. */
export function afterPlacing(plan: SteeringPlan, placed: readonly { key: string; candidate: string }[]): SteeringPlan {
  const gangs = new Map(plan.gangs)
  for (const { key, candidate } of placed) {
    const planned = new Map(gangs.get(key))
    add(planned, candidate, -1)
    gangs.set(key, planned)
  }
  return { ...plan, gangs }
}

/** How a plan steers one round: it counts down what is placed. Without a plan, or by one that is too old, it does nothing. */
export type Steering = {
  /** What others would give for one node of a candidate, in micro-dollars: one that is paid for anyway, or any other. */
  scarcityMicros: (candidate: string, isPaid: boolean) => number
  /**
   * Candidates in the order in which a gang should try them, given what others want: where its class is most behind what
   * was planned for it, then as they come: by price and scarcity.
   */
  order: <T>(key: string, items: readonly T[], candidateOf: (item: T) => string) => readonly T[]
  took: (key: string, candidate: string) => void
}

/** A choice is planned while a hundredth of a gang is left for it: an interior point leaves dust everywhere. */
const leastPlanned = 0.01

export function openSteering(plan: SteeringPlan | undefined, now: Instant): Steering {
  if (!plan || now - plan.asOf > planPatienceMs)
    return { scarcityMicros: () => 0, order: (_, items) => items, took: () => {} }
  const gangs = new Map<string, Map<string, number>>()
  const of = (key: string): Map<string, number> => {
    const known = gangs.get(key)
    if (known) return known
    const fresh = new Map(plan.gangs.get(key))
    gangs.set(key, fresh)
    return fresh
  }
  return {
    scarcityMicros: (candidate, isPaid) => (isPaid ? plan.paidMicros : plan.nodeMicros).get(candidate) ?? 0,
    order(key, items, candidateOf) {
      if (!plan.gangs.has(key)) return items
      const left = of(key)
      const planned = (item: (typeof items)[number]): number => {
        const count = left.get(candidateOf(item)) ?? 0
        return count > leastPlanned ? count : 0
      }
      return items.toSorted((one, other) => planned(other) - planned(one)) // a stable sort
    },
    took: (key, candidate) => add(of(key), candidate, -1),
  }
}

const add = (counts: Map<string, number>, key: string, more: number) => counts.set(key, (counts.get(key) ?? 0) + more)
