import type { Tier } from '#model/names.ts'

import { buildLinear, type LinearAnswer, type LinearProgram } from './linear.ts'

/** Nodes of one shape at one site, in one tier. */
export type Pool = {
  /** `provider/site/shape`; several tiers may share the machines of one cell. */
  cell: string
  provider: string
  tier: Tier
  /** Nodes that may still be taken in this tier. */
  nodes: number
}

export type ProjectLimits = {
  name: string
  /** Accelerators that its quota leaves; absent without one. */
  accelerators?: number
  /** For providers with a share cap: nodes that it leaves, counted from all that the project holds and asks for. */
  providers: Readonly<Record<string, number>>
}

/** One place where gangs of a class may go. */
export type Choice = {
  /** Number of the pool. */
  pool: number
  /** What one gang takes there. Shapes differ, and so may these. */
  nodes: number
  accelerators: number
  /** Of one gang, for its whole run (see `priceOf`), in micro-dollars; a commitment's worth is left for the plan to find. */
  costMicros: number
  /** The hard rule that forbids it, such as `jurisdictions`. It gets no column, and is told what it costs. */
  barredBy?: string
}

/** Gangs that are alike in what they want, where they may go and whose they are. */
export type DemandClass = {
  name: string
  /** Number of the project. */
  project: number
  gangs: number
  /** What it costs to leave one of them waiting: more than any place where it may go. */
  unmetMicros: number
  choices: readonly Choice[]
}

/** Demand and supply as the planner sees them: counts, no gang and no node by name. */
export type Market = {
  pools: readonly Pool[]
  /** For cells with fewer nodes than their tiers offer together: nodes in all. */
  cells: Readonly<Record<string, number>>
  projects: readonly ProjectLimits[]
  classes: readonly DemandClass[]
}

/** The linear program of a market, and which row and column means what. */
export type Aggregate = {
  program: LinearProgram
  /** Of class and choice; -1 where a rule bars it, or the pool is smaller than one gang. */
  columns: readonly (readonly number[])[]
  unmet: readonly number[]
  rows: {
    demand: readonly number[]
    /** By number of the pool, by name of the cell, by number of the project. Rows that cannot bind are left out. */
    pools: readonly number[]
    cells: ReadonlyMap<string, number>
    quotas: readonly (number | undefined)[]
    shares: readonly ReadonlyMap<string, number>[]
  }
}

/**
 * Places aggregates: x[class, pool] gangs, for the least cost of whole runs, while demand is met or stays unmet at a
 * penalty. Gangs are a fluid here, so its cost is a lower bound for every real placement; what it is for are its
 * shadow prices. Decisions over aggregates beside the critical path are those of RAS (SOSP 2021) and MAST (OSDI 2024).
 */
export function aggregate(market: Market): Aggregate {
  const builder = buildLinear()
  const most = (upper: number) => builder.row(-Infinity, Math.max(0, upper))
  const rows = {
    demand: market.classes.map(({ gangs }) => builder.row(gangs, gangs)),
    pools: market.pools.map(({ nodes }) => most(nodes)),
    cells: new Map(Object.entries(market.cells).map(([cell, nodes]) => [cell, most(nodes)])),
    quotas: market.projects.map(({ accelerators }) => (accelerators === undefined ? undefined : most(accelerators))),
    shares: market.projects.map(
      ({ providers }) => new Map(Object.entries(providers).map(([provider, nodes]) => [provider, most(nodes)])),
    ),
  }
  const unmet = market.classes.map(({ unmetMicros }, at) =>
    builder.column(unmetMicros, [{ row: rows.demand[at] ?? 0, value: 1 }]),
  )
  const columns = market.classes.map(({ choices, project }, at) =>
    choices.map((choice) =>
      choice.barredBy === undefined && choice.nodes <= (market.pools[choice.pool]?.nodes ?? 0)
        ? builder.column(choice.costMicros, [
            { row: rows.demand[at] ?? 0, value: 1 },
            ...uses(rows, market.pools, { ...choice, project }),
          ])
        : -1,
    ),
  )
  return { program: builder.program, columns, unmet, rows }
}

/** The rows that a gang of this choice takes from, and how much. */
function* uses(rows: Aggregate['rows'], pools: Market['pools'], choice: Choice & { project: number }) {
  const { nodes, accelerators, project } = choice
  const pool = pools[choice.pool]
  if (!pool) throw new RangeError(`no pool ${choice.pool}`)
  const taken = [
    { row: rows.pools[choice.pool], value: nodes },
    { row: rows.cells.get(pool.cell), value: nodes },
    { row: rows.quotas[project], value: accelerators },
    { row: rows.shares[project]?.get(pool.provider), value: nodes },
  ]
  for (const { row, value } of taken) if (row !== undefined && value > 0) yield { row, value }
}

/** What the planner found. Prices are micro-dollars, never below 0, and 0 for what is not scarce. */
export type MarketPlan = {
  /** Gangs of each class and choice, and those that stay unmet: fractions are usual. */
  gangs: readonly (readonly number[])[]
  unmet: readonly number[]
  /** Cost of all, the penalty for what is unmet included. */
  costMicros: number
  /** Shadow price of one more node in a pool (for the length of the runs), its cell's included. */
  poolMicros: readonly number[]
  /** What a gang of each class and choice takes of what is scarce: pool, cell, quota and share, in all. */
  scarcityMicros: readonly (readonly number[])[]
  /** What each rule costs, dearest first. Rules that cost nothing are left out. */
  rules: readonly RuleCost[]
}

export type RuleCost = {
  rule: 'quota' | 'provider-share' | (string & {})
  /** Project, or project and provider, or class. */
  of: string
  /** Quota: of one more accelerator; share: of one more node; a barred place: at the most of one gang. */
  microsEach: number
}

/** Reads the solver's answer. Duals of an interior point are near, not exact: those below a micro-dollar are none. */
export function readPlan(
  market: Market,
  { program, columns, unmet, rows }: Aggregate,
  answer: LinearAnswer,
): MarketPlan {
  const at = (column: number): number => (column < 0 ? 0 : Math.max(0, answer.x[column] ?? 0))
  const price = (row: number | undefined): number => {
    const micros = row === undefined ? 0 : -(answer.duals[row] ?? 0)
    return micros < 1 ? 0 : micros
  }
  const scarcityMicros = market.classes.map(({ choices, project }) =>
    choices.map((choice) =>
      uses(rows, market.pools, { ...choice, project }).reduce((sum, { row, value }) => sum + price(row) * value, 0),
    ),
  )
  return {
    gangs: columns.map((choices) => choices.map(at)),
    unmet: unmet.map(at),
    costMicros: program.costs.reduce((sum, cost, column) => sum + cost * at(column), 0),
    poolMicros: market.pools.map(({ cell }, pool) => price(rows.pools[pool]) + price(rows.cells.get(cell))),
    scarcityMicros,
    rules: [
      ...limits(market, rows, price),
      ...bars(market, scarcityMicros, (index) => answer.duals[rows.demand[index] ?? -1] ?? 0),
    ].sort((one, other) => other.microsEach - one.microsEach),
  }
}

function* limits(
  { projects }: Market,
  rows: Aggregate['rows'],
  price: (row: number | undefined) => number,
): Generator<RuleCost> {
  for (const [index, { name, providers }] of projects.entries()) {
    const quota = price(rows.quotas[index])
    if (quota > 0) yield { rule: 'quota', of: name, microsEach: quota }
    for (const provider of Object.keys(providers)) {
      const share = price(rows.shares[index]?.get(provider))
      if (share > 0) yield { rule: 'provider-share', of: `${name} at ${provider}`, microsEach: share }
    }
  }
}

/**
 * A place that a rule bars is priced out with the shadow prices: what a gang pays where it may go, less what it would
 * pay there. By weak duality, to lift the rule never saves more than this for each gang of the class.
 */
function* bars(
  { classes }: Market,
  scarcityMicros: readonly (readonly number[])[],
  paid: (index: number) => number,
): Generator<RuleCost> {
  for (const [index, { name, choices }] of classes.entries()) {
    const saved = new Map<string, number>()
    for (const [choice, { barredBy, costMicros }] of choices.entries()) {
      if (barredBy === undefined) continue
      const less = paid(index) - costMicros - (scarcityMicros[index]?.[choice] ?? 0)
      if (less >= 1) saved.set(barredBy, Math.max(less, saved.get(barredBy) ?? 0))
    }
    for (const [rule, microsEach] of saved) yield { rule, of: name, microsEach }
  }
}
