import type { Topology } from '#model/spec/topology.ts'

import { levelOf, type Ground } from './market.ts'

const levels = ['nvlink', 'block'] as const
type Level = (typeof levels)[number]

/** The resource that stands for domains of a level in quotas. */
export const domainResource = (level: Level): string => `domains.${level}`
/** Domains are counted in millionths. */
export const oneDomain = 1_000_000

/**
 * How much of domains a gang counts at each level: the nodes that it takes, in parts of the largest domain of the site, so
 * that a quota of four racks is four racks however they are shared; rounded up to whole ones where nobody else may be in
 * them. A node that stands in no domain counts as one.
 */
export const domainsHeld = (ground: Ground, nodes: number, exclusive: Topology['exclusive']): Record<string, number> =>
  Object.fromEntries(
    levels.map((level) => {
      const held = nodes / largestDomain(ground, level)
      const isWhole = exclusive === 'block' || exclusive === level
      return [domainResource(level), Math.floor((isWhole ? Math.ceil(held - 1e-9) : held) * oneDomain)]
    }),
  )

/** Nodes of the largest domain of a level. */
function largestDomain(ground: Ground, level: Level): number {
  if (!ground.names) return 1
  const starts = ground.cell.tree.nodes[levelOf(ground, level)] ?? new Int32Array()
  return starts.slice(1).reduce((most, end, domain) => Math.max(most, end - (starts[domain] ?? 0)), 1)
}
