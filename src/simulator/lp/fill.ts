import type { Market, MarketPlan } from '#engine/market/aggregate.ts'
import { roomLeft } from '#engine/market/room-left.ts'
import { openSteering, steeringOf } from '#engine/market/steer.ts'

/** Whole gangs in the order in which they came: of each the class, and the choice that it got; -1 for none. */
export type Placed = readonly { index: number; choice: number }[]

/**
 * Places gangs one by one: each goes to the first choice that has room, or waits. Choices are tried by price, and where
 * there is a plan as it steers; both as in production.
 */
export function fill(market: Market, arrivals: readonly number[], plan?: MarketPlan): Placed {
  const room = roomLeft(market)
  const pools = market.pools.map((_, pool) => ({ candidate: String(pool), isPaid: false }))
  const keyed = { market, classes: market.classes.map((_, index) => String(index)), pools }
  const steering = openSteering(plan && steeringOf(keyed, plan, 0), 0)
  const byPrice = market.classes.map(({ choices }) => {
    const price = ({ costMicros, nodes, pool }: (typeof choices)[number]) =>
      costMicros + nodes * steering.scarcityMicros(String(pool), false)
    return [...choices.entries()]
      .filter(([, { barredBy }]) => barredBy === undefined)
      .sort(([, one], [, other]) => price(one) - price(other))
  })
  return arrivals.map((index) => {
    const order = steering.order(String(index), byPrice[index] ?? [], ([, { pool }]) => String(pool))
    const [choice, chosen] = order.find(([one]) => room.fits(index, one)) ?? [-1]
    if (chosen) {
      room.take(index, choice, 1)
      steering.took(String(index), String(chosen.pool))
    }
    return { index, choice }
  })
}

/** What is wrong with placements, in words. It counts for itself, by name, and shares nothing with who placed them. */
export function broken(market: Market, placed: Placed): string[] {
  const taken = new Map<string, number>()
  const barred: string[] = []
  for (const { index, choice } of placed) {
    const demand = market.classes[index]
    const chosen = demand?.choices[choice]
    const pool = chosen && market.pools[chosen.pool]
    if (!pool) continue
    if (chosen.barredBy !== undefined) barred.push(`barred by ${chosen.barredBy}`)
    const project = market.projects[demand.project]?.name
    for (const [of, more] of [
      [`pool ${chosen.pool}`, chosen.nodes],
      [`cell ${pool.cell}`, chosen.nodes],
      [`quota of ${project}`, chosen.accelerators],
      [`share of ${project} at ${pool.provider}`, chosen.nodes],
    ] as const)
      taken.set(of, (taken.get(of) ?? 0) + more)
  }
  const limits: [string, number | undefined][] = [
    ...market.pools.map(({ nodes }, pool): [string, number] => [`pool ${pool}`, nodes]),
    ...Object.entries(market.cells).map(([cell, nodes]): [string, number] => [`cell ${cell}`, nodes]),
    ...market.projects.flatMap(({ name, accelerators, providers }): [string, number | undefined][] => [
      [`quota of ${name}`, accelerators],
      ...Object.entries(providers).map(([at, nodes]): [string, number] => [`share of ${name} at ${at}`, nodes]),
    ]),
  ]
  const over = limits.filter(([of, most]) => (taken.get(of) ?? 0) > (most ?? Infinity))
  return [...over.map(([of]) => `more than there is: ${of}`), ...barred]
}

/** What placements cost, the penalty for gangs that wait included. */
export const costOf = ({ classes }: Market, placed: Placed): number =>
  placed.reduce((sum, { index, choice }) => {
    const demand = classes[index]
    return sum + (demand?.choices[choice]?.costMicros ?? demand?.unmetMicros ?? 0)
  }, 0)
