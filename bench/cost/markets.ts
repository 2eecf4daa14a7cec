import type { Market } from '#engine/market/aggregate.ts'
import { planMarket, type WholePlan } from '#server/market/plan-market.ts'
import { createSolver } from '#server/market/solver.ts'

/** What is measured of one market; all that is told of several is made of it. */
type Measured = { gangs: number }
export type Found<T> = { all: T[]; mean: (of: (one: T) => number) => number }

type Options<T extends Measured> = {
  /** What the seeds of the instances begin with. */
  name: string
  /** How many of each size and load, unless the command line says. */
  instances: number
  measure: (seed: string, given: Given) => Promise<T>
  columns: (found: Found<T>) => Record<string, string | number>
}

/** How large and full a market is to be; `plan` finds its best plan in whole gangs, with its bounds. */
export type Given = { load: number; siteNodes: number; plan: (market: Market) => Promise<WholePlan> }

/** Measures markets of each size and load, and shows a line of each. */
export async function overMarkets<T extends Measured>({ name, instances, measure, columns }: Options<T>) {
  const count = Number(process.argv[2] ?? instances)
  const solver = createSolver()
  const rows: Record<string, string | number>[] = []
  async function plan(market: Market): Promise<WholePlan> {
    const found = await planMarket(market, solver, 60)
    if ('problem' in found) throw new Error(found.problem)
    return found
  }
  for (const siteNodes of [64, 256])
    for (const load of [0.5, 0.75, 0.9]) {
      const all: T[] = []
      for (let seed = 0; seed < count; seed++) all.push(await measure(`${name}-${seed}`, { load, siteNodes, plan }))
      const mean = (of: (one: T) => number) => all.reduce((sum, one) => sum + of(one), 0) / all.length
      rows.push({
        'nodes of a site': `${siteNodes} to ${8 * siteNodes}`,
        load,
        instances: count,
        gangs: Math.round(mean(({ gangs }) => gangs)),
        ...columns({ all, mean }),
      })
    }
  await solver.close()
  console.table(rows)
}
