import type { CellPlan } from '#engine/cell/cell.ts'
import { createCell } from '#engine/cell/cell.ts'
import type { Candidate } from '#engine/placement/market.ts'
import type { Shape } from '#model/resources.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'

/** The nodes of a group as the engine knows them: all alike, in domains of equal size. */
export function cellPlanOf(group: NodeGroup): CellPlan {
  const { shape, unit, size, count, domains, accelerator, acceleratorMemoryMiB, mig } = group
  const amounts = { accelerators: unit === 'gpu' ? size : 0, cpuMilli: unit === 'cpu' ? size : 0 }
  const cut = mig && { accelerator, acceleratorMemoryMiB }
  return {
    classes: [{ shape, ...amounts, memoryMiB: 0, diskMiB: 0, ...cut }],
    classOf: new Uint16Array(count),
    domains: domains.map((nodes) => Int32Array.from({ length: count }, (_, node) => Math.floor(node / nodes))),
  }
}

/** What one of its nodes has. */
export const shapeOf = ({ shape, unit, size, accelerator, acceleratorMemoryMiB = 0, mig }: NodeGroup): Shape => ({
  name: shape,
  accelerators: unit === 'gpu' ? size : 0,
  acceleratorMemoryMiB,
  ...(accelerator !== undefined && { accelerator }),
  ...(mig && { mig }),
  cpuMilli: unit === 'cpu' ? size : 0,
  memoryMiB: 0,
  diskMiB: 0,
})

/**
 * A group as one of the candidates of a round: an offer of nodes that are known and divided, at a site that answers. On its
 * ground nobody ever stands; it is counted when somebody asks for the first time.
 */
export function candidateOf(group: NodeGroup): Candidate {
  const { number, site, provider, jurisdictions, shape, tier, priceMicros } = group
  const name = site.slice(provider.length + 1)
  let cell: Candidate['ground']['cell'] | undefined
  return {
    key: `${site} ${tier} ${shape} ${number}`,
    siteKey: site,
    site: {
      site,
      reach: 'reachable',
      since: 0,
      detail: '',
      offers: [],
      nodes: null, // they have no labels
      info: { provider, name, jurisdictions, patienceMs: 0 },
    },
    offer: {
      provider,
      site: name,
      tier,
      shape: shapeOf(group),
      divisible: true,
      priceMicros,
      images: true,
      source: 'the fleet',
      asOf: 0,
    },
    ground: {
      number,
      names: [],
      numberOf: new Map(),
      unitsPerNode: 1,
      taken: 0,
      get cell() {
        return (cell ??= createCell(cellPlanOf(group)))
      },
    },
  }
}
