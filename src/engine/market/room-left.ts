import type { Market } from './aggregate.ts'

/** What is left of everything that is limited, as gangs take from it and give back. */
export type RoomLeft = {
  fits(index: number, choice: number): boolean
  /** `gangs` may be below 0: they give back. */
  take(index: number, choice: number, gangs: number): void
}

/** Pools, cells, quotas and shares as one array of what is left, and for each choice which of them it takes from. */
export function roomLeft(market: Market): RoomLeft {
  const left = market.pools.map(({ nodes }) => nodes)
  const cells = new Map(Object.entries(market.cells).map(([cell, nodes]) => [cell, left.push(nodes) - 1]))
  const quotas = market.projects.map(({ accelerators }) => left.push(accelerators ?? Infinity) - 1)
  const shares = market.projects.map(
    ({ providers }) => new Map(Object.entries(providers).map(([provider, nodes]) => [provider, left.push(nodes) - 1])),
  )
  const takes = market.classes.map(({ choices, project }) =>
    choices.map(({ pool, nodes, accelerators }) => {
      const { cell = '', provider = '' } = market.pools[pool] ?? {}
      const limits = [pool, cells.get(cell), shares[project]?.get(provider)].filter((limit) => limit !== undefined)
      return [...limits.map((limit) => ({ limit, each: nodes })), { limit: quotas[project] ?? -1, each: accelerators }]
    }),
  )
  return {
    fits: (index, choice) => (takes[index]?.[choice] ?? []).every(({ limit, each }) => (left[limit] ?? 0) >= each),
    take(index, choice, gangs) {
      for (const { limit, each } of takes[index]?.[choice] ?? []) left[limit] = (left[limit] ?? 0) - each * gangs
    },
  }
}
