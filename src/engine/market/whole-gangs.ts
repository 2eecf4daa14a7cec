import type { DemandClass, Market, MarketPlan } from './aggregate.ts'
import { roomLeft } from './room-left.ts'

/**
 * A plan on its way from fractions to whole gangs: how many are settled of each class and choice, and which classes
 * have no more to settle.
 * The largest gangs are settled first, and the program is solved again for the rest, with what they left: the smaller a
 * gang, the nearer it is to the fluid that a linear program takes it for. (Diving, as in MIP solvers, by size.)
 */
export type Settling = { gangs: readonly (readonly number[])[]; settled: readonly boolean[] }

export const nothingSettled = ({ classes }: Market): Settling => ({
  gangs: classes.map(({ choices }) => choices.map(() => 0)),
  settled: classes.map(({ gangs, choices }) => gangs === 0 || choices.length === 0),
})

/** What is left of limits and of demand. */
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
    const placed = (gangs[index] ?? []).reduce((sum, count) => sum + count, 0)
    return { ...demand, gangs: settled[index] ? 0 : demand.gangs - placed }
  })
  return { pools, cells, projects, classes }
}

const size = ({ choices }: DemandClass): number => choices.reduce((most, { nodes }) => Math.max(most, nodes), 0)

/**
 * Settles gangs of the classes with the largest ones by a plan for what was left (`rest`): whole parts, and those of
 * which the plan has more than half, or else the largest. To be called, with a new plan each time, until all is settled.
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
  let some = false
  const parts: { index: number; choice: number; part: number; price: number }[] = []
  for (const [index, { choices }] of rest.classes.entries()) {
    if (!now[index]) continue
    for (const [choice, { barredBy, costMicros }] of choices.entries()) {
      if (barredBy !== undefined) continue
      const planned = (plan.gangs[index]?.[choice] ?? 0) + 1e-4
      for (let whole = Math.floor(planned); whole > 0; whole--) if (put(index, choice)) some = true
      const price = costMicros + (plan.scarcityMicros[index]?.[choice] ?? 0)
      parts.push({ index, choice, part: planned % 1, price })
    }
  }
  const sure = parts.filter(({ part }) => part > 0.5)
  const next = sure.length > 0 ? sure : parts.toSorted((one, other) => other.part - one.part).slice(0, 1)
  for (const { index, choice, part } of next) if (part > 0.01 && put(index, choice)) some = true
  // Where the plan has nothing left that fits, what it has not placed goes where it costs least, or waits.
  if (!some) {
    for (const { index, choice } of parts.sort((one, other) => one.price - other.price)) while (put(index, choice));
    for (const index of rest.classes.keys()) if (now[index]) left[index] = 0
  }
  return { gangs: found, settled: settled.map((was, index) => was || (now[index] === true && left[index] === 0)) }
}
