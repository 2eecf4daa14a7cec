import type { Market } from '#engine/market/aggregate.ts'
import type { Steering } from '#engine/market/steer.ts'

/** Whole gangs in the order in which they came: of each the class, and the choice that it got; -1 for none. */
export type Placed = readonly { index: number; choice: number }[]

/** What has been taken of everything that is limited. */
function ledger(market: Market) {
  const taken = new Map<string, number>()
  const limits = new Map<string, number>()
  market.pools.forEach(({ nodes }, pool) => limits.set(`pool ${pool}`, nodes))
  for (const [cell, nodes] of Object.entries(market.cells)) limits.set(`cell ${cell}`, nodes)
  for (const { name, accelerators, providers } of market.projects) {
    if (accelerators !== undefined) limits.set(`quota ${name}`, accelerators)
    for (const [provider, nodes] of Object.entries(providers)) limits.set(`share ${name} ${provider}`, nodes)
  }
  const entries = (index: number, choice: number): [string, number][] => {
    const found = market.classes[index]?.choices[choice]
    const pool = found && market.pools[found.pool]
    const project = market.projects[market.classes[index]?.project ?? -1]?.name
    if (!pool) return []
    return [
      [`pool ${found.pool}`, found.nodes],
      [`cell ${pool.cell}`, found.nodes],
      [`quota ${project}`, found.accelerators],
      [`share ${project} ${pool.provider}`, found.nodes],
    ]
  }
  const within = (key: string, more: number) => (taken.get(key) ?? 0) + more <= (limits.get(key) ?? Infinity)
  return {
    fits: (index: number, choice: number) => entries(index, choice).every(([key, more]) => within(key, more)),
    take(index: number, choice: number) {
      for (const [key, more] of entries(index, choice)) taken.set(key, (taken.get(key) ?? 0) + more)
    },
    over: () => [...taken.keys()].filter((key) => !within(key, 0)),
  }
}

/** Places gangs one by one: each goes to the first choice of its order that has room, or waits. */
export function fill(market: Market, arrivals: readonly number[], steering: Steering): Placed {
  const { fits, take } = ledger(market)
  return arrivals.map((index) => {
    const choice = steering.order(index).find((one) => fits(index, one)) ?? -1
    if (choice >= 0) {
      take(index, choice)
      steering.took(index, choice)
    }
    return { index, choice }
  })
}

/** What is wrong with placements, in words; counted anew from the placements alone. */
export function broken(market: Market, placed: Placed): string[] {
  const { take, over } = ledger(market)
  for (const { index, choice } of placed) if (choice >= 0) take(index, choice)
  const barred = placed
    .map(({ index, choice }) => market.classes[index]?.choices[choice]?.barredBy)
    .filter((rule) => rule !== undefined)
  return [...over().map((key) => `more than there is: ${key}`), ...barred.map((rule) => `barred by ${rule}`)]
}

/** What placements cost, the penalty for gangs that wait included. */
export const costOf = ({ classes }: Market, placed: Placed): number =>
  placed.reduce((sum, { index, choice }) => {
    const demand = classes[index]
    return sum + (demand?.choices[choice]?.costMicros ?? demand?.unmetMicros ?? 0)
  }, 0)
