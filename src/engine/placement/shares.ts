import { createShares, type Shares } from '#engine/queue/share.ts'

import type { Snapshot } from './facts.ts'
import type { Round } from './round.ts'

/** Nobody knows how many nodes a cloud would sell: for shares it counts as many. */
const nodesOfCloud = 1_000

/**
 * The shares of projects: what they hold now and, as much again, what they held on average of late. So a project that
 * held everything all night goes behind one that slept, and of two that ask for all at once none gets all.
 */
export function sharesOf({ projects, usage }: Snapshot, { quotaOf, market, leases, now }: Round): Shares {
  const weights = new Map(projects.map(({ name, weight }) => [name, weight]))
  const nodes = [...quotaOf.values()].map(({ name, parent }) => ({ name, parent, weight: weights.get(name) ?? 1 }))
  const capacity = { accelerators: 0, cpuMilli: 0, memoryMiB: 0 }
  for (const { cell } of market.namedAt.values())
    for (const number of cell.classOf) {
      const nodeClass = cell.classes[number]
      if (nodeClass) add(capacity, nodeClass, 1)
    }
  for (const { ground, offer } of market.candidates)
    if (!ground.names) add(capacity, offer.shape, offer.available ?? nodesOfCloud)
  // What runs where nothing is offered any more is there too.
  if (capacity.cpuMilli === 0)
    for (const { ranks, times = 1 } of leases) for (const rank of ranks) add(capacity, rank, times)
  const shares = createShares({ nodes, capacity, halfLifeMs: 0 })
  for (const [name, amounts] of usage ?? []) if (quotaOf.has(name)) shares.change(name, amounts, now)
  return shares
}

type Has = { accelerators: number; cpuMilli: number; memoryMiB: number }

function add(capacity: Has, { accelerators, cpuMilli, memoryMiB }: Has, times: number): void {
  capacity.accelerators += accelerators * times * 1000
  capacity.cpuMilli += cpuMilli * times
  capacity.memoryMiB += memoryMiB * times
}
