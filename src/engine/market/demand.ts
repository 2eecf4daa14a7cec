import type { Choice, DemandClass, Market, Pool, ProjectLimits } from './aggregate.ts'

/** Nodes that can be had at a candidate; those that a commitment pays for are a pool of their own. */
export type Supplied = Pool & { candidate: string; isPaid: boolean }

/** Where gangs of a class may go, by the key of the candidate. */
export type Way = {
  candidate: string
  /** What one gang takes there: parts of a node are fractions. */
  nodes: number
  accelerators: number
  /** Of one gang for its whole run: in nodes that are paid for anyway, and in others. */
  paidMicros: number
  costMicros: number
  barredBy?: string
}

/** All who want the same. */
export type Wanted = { key: string; name: string; project: string; priority: number; gangs: number; ways: Way[] }

export type Supply = { pools: Supplied[]; cells: Record<string, number>; projects: ProjectLimits[] }

/** A market, and whose classes and pools are which. */
export type KeyedMarket = {
  market: Market
  classes: readonly string[]
  pools: readonly Pick<Supplied, 'candidate' | 'isPaid'>[]
}

/** Choices beyond which a market takes minutes to plan: the smallest classes are then left to the order of prices. */
const mostChoices = 40_000
/** Of one priority above another: it waits only where there is no way at all. */
const priorityFactor = 10
const mostSteps = 4

/** The market of those who wait. */
export function marketOf(wanted: readonly Wanted[], { pools, cells, projects }: Supply): KeyedMarket {
  const numberOf = new Map(projects.map(({ name }, number) => [name, number]))
  const poolsOf = Map.groupBy([...pools.keys()], (pool) => pools[pool]?.candidate ?? '')
  const priorities = [...new Set(wanted.map(({ priority }) => priority))].sort((one, other) => one - other)
  const step = new Map(priorities.map((priority, at) => [priority, Math.min(at, mostSteps)]))
  const bySize = wanted.toSorted((one, other) => sizeOf(other) - sizeOf(one) || (one.key < other.key ? -1 : 1))
  const kept: string[] = []
  const classes: DemandClass[] = []
  let count = 0
  for (const { key, name, project, priority, gangs, ways } of bySize) {
    const choices = ways.flatMap((way) => (poolsOf.get(way.candidate) ?? []).map((pool) => choiceOf(way, pool, pools)))
    if (choices.length === 0 || (count += choices.length) > mostChoices) continue
    const dearest = choices.reduce((most, { costMicros }) => Math.max(most, costMicros), 1_000_000)
    const unmetMicros = 3 * dearest * priorityFactor ** (step.get(priority) ?? 0)
    kept.push(key)
    classes.push({ name, project: numberOf.get(project) ?? 0, gangs, unmetMicros, choices })
  }
  return { market: { pools, cells, projects, classes }, classes: kept, pools }
}

const sizeOf = ({ gangs, ways }: Wanted): number => gangs * ways.reduce((most, { nodes }) => Math.max(most, nodes), 0)

function choiceOf(way: Way, pool: number, pools: readonly Supplied[]): Choice {
  const { nodes, accelerators, paidMicros, costMicros, barredBy } = way
  return {
    pool,
    nodes,
    accelerators,
    costMicros: pools[pool]?.isPaid ? paidMicros : costMicros,
    ...(barredBy === undefined ? {} : { barredBy }),
  }
}
