import type { DemandClass, Market, MarketPlan } from './aggregate.ts'
import { roomLeft } from './room-left.ts'

/**
 * A plan on its way from fractions to whole gangs: of each class and choice how many are settled, and which classes are.
 * The largest gangs are settled first, and the program is solved again for the rest, with what they left: the smaller a
 * gang, the nearer it is to the fluid that a linear program takes it for. (Diving, as in MIP solvers, by size.)
 */
export type Settling = { gangs: readonly (readonly number[])[]; settled: readonly boolean[] }

export const nothingSettled = ({ classes }: Market): Settling => ({
  gangs: classes.map(({ choices }) => choices.map(() => 0)),
  settled: classes.map(({ gangs, choices }) => gangs === 0 || choices.length === 0),
})

/** What is left for the classes that are not settled. */
export function remainder(market: Market, { gangs, settled }: Settling): Market {
  const pools = market.pools.map((pool) => ({ ...pool }))
  const cells = { ...market.cells }
  const projects = market.projects.map((project) => ({ ...project, providers: { ...project.providers } }))
  const classes = market.classes.map((demand, index) => {
    for (const [choice, { pool: number, nodes, accelerators }] of demand.choices.entries()) {
      const count = gangs[index]?.[choice] ?? 0
      const [pool, project] = [pools[number], projects[demand.project]]
      if (count === 0 || !pool || !project) continue
      pool.nodes -= count * nodes
      if (cells[pool.cell] !== undefined) cells[pool.cell] = (cells[pool.cell] ?? 0) - count * nodes
      if (project.accelerators !== undefined) project.accelerators -= count * accelerators
      const share = project.providers[pool.provider]
      if (share !== undefined) project.providers[pool.provider] = share - count * nodes
    }
    return settled[index] ? { ...demand, gangs: 0 } : demand
  })
  return { pools, cells, projects, classes }
}

const size = ({ choices }: DemandClass): number => choices.reduce((most, { nodes }) => Math.max(most, nodes), 0)

/**
 * Settles the classes with the largest gangs by a plan for what was left (`rest`): its whole part, then for each gang
 * where the plan has the largest part of one, or else where it costs least with what it takes from others.
 */
export function settleLargest(rest: Market, plan: MarketPlan, { gangs, settled }: Settling): Settling {
  const room = roomLeft(rest)
  const largest = rest.classes.reduce(
    (most, demand, index) => (settled[index] ? most : Math.max(most, size(demand))),
    0,
  )
  const found = gangs.map((counts) => [...counts])
  const now = rest.classes.map((demand, index) => !settled[index] && size(demand) === largest)
  const left = rest.classes.map((demand) => demand.gangs)
  const put = (index: number, choice: number): boolean => {
    const counts = found[index]
    if (!counts || (left[index] ?? 0) <= 0 || !room.fits(index, choice)) return false
    room.take(index, choice, 1)
    counts[choice] = (counts[choice] ?? 0) + 1
    left[index] = (left[index] ?? 0) - 1
    return true
  }
  const parts: { index: number; choice: number; part: number; price: number }[] = []
  for (const [index, { choices }] of rest.classes.entries()) {
    if (!now[index]) continue
    for (const [choice, { barredBy, costMicros }] of choices.entries()) {
      if (barredBy !== undefined) continue
      const planned = (plan.gangs[index]?.[choice] ?? 0) + 1e-4
      for (let whole = Math.floor(planned); whole > 0; whole--) put(index, choice)
      const price = costMicros + (plan.scarcityMicros[index]?.[choice] ?? 0)
      parts.push({ index, choice, part: planned % 1, price })
    }
  }
  for (const { index, choice, part } of parts.toSorted((one, other) => other.part - one.part))
    if (part > 0.01) put(index, choice)
  for (const { index, choice } of parts.sort((one, other) => one.price - other.price)) while (put(index, choice));
  return { gangs: found, settled: settled.map((was, index) => was || (now[index] ?? false)) }
}
