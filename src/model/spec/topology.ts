import { z } from 'zod'

import type { BrokenRule } from './problem.ts'

/** Domains of nodes that are near each other, the tightest first. */
const levels = ['node', 'nvlink', 'block', 'site'] as const
type Level = (typeof levels)[number]

const ranks = z.int().min(1).max(100_000)
const inside = z.enum(['node', 'nvlink', 'block'])

/** How close together, or how far apart, the ranks of a gang stand. */
export const TopologyField = z.strictObject({
  within: z
    .enum(['nvlink', 'block', 'site'])
    .default('site')
    .meta({ description: 'All nodes inside one domain of this level.' }),
  required: z.boolean().default(true).meta({ description: 'Wait for such a domain, or only prefer it.' }),
  slices: z
    .strictObject({
      ranks: ranks.meta({ description: 'Ranks of one slice; they divide the nodes.' }),
      within: inside.meta({ description: 'Each slice inside one domain of this level.' }),
    })
    .optional()
    .meta({ description: 'Ranks in slices of so many, one after another.' }),
  balanced: inside
    .optional()
    .meta({ description: 'Over the fewest domains of this level, as evenly over them as they allow.' }),
  spread: z
    .strictObject({
      within: inside.meta({ description: 'Level of the domains.' }),
      most: ranks.meta({ description: 'The most ranks in one of them.' }),
    })
    .optional()
    .meta({ description: 'Not too many ranks in one domain.' }),
  exclusive: inside
    .optional()
    .meta({ description: 'Nobody else in the domains of this level that it uses, as long as it runs.' }),
  spares: z
    .strictObject({
      count: ranks.meta({ description: 'Nodes of each domain.' }),
      within: z.enum(['nvlink', 'block']).meta({ description: 'Level of the domains.' }),
    })
    .optional()
    .meta({ description: 'Nodes kept free in each domain that it uses, to replace one that fails.' }),
})
export type Topology = z.output<typeof TopologyField>

const widthOf = (level: Level): number => levels.indexOf(level)

/** Wishes of which each could be met alone, but not together by any site. */
export function topologyRules(topology: Topology | undefined, nodes: number): BrokenRule[] {
  if (!topology) return []
  return [...uneven(topology, nodes), ...tooMany(topology, nodes), ...tooLoose(topology)].map((rule) => ({
    ...rule,
    path: ['topology', ...rule.path],
  }))
}

function* uneven({ slices }: Topology, nodes: number): Iterable<BrokenRule> {
  if (!slices || nodes % slices.ranks === 0) return
  const { ranks: size } = slices
  const near = [Math.floor(nodes / size) * size, Math.ceil(nodes / size) * size].filter((count) => count > 0)
  yield {
    path: ['slices', 'ranks'],
    message: `${count(nodes, 'node')} cannot be cut into slices of ${size}`,
    fix: `write nodes: ${near.join(' or nodes: ')}, or slices of another size`,
  }
}

function* tooMany({ within, required, slices, spread }: Topology, nodes: number): Iterable<BrokenRule> {
  if (!spread) return
  const path = ['spread', 'most']
  const { most } = spread
  if (required && nodes > most && widthOf(spread.within) >= widthOf(within))
    yield {
      path,
      message: `all ${nodes} nodes are to be in one ${within}, and at most ${most} in one ${spread.within}`,
      fix: `write most: ${nodes} or more, a tighter level to spread over, or a looser topology.within`,
    }
  if (slices && slices.ranks > most && widthOf(spread.within) >= widthOf(slices.within))
    yield {
      path,
      message: `a slice holds ${slices.ranks} ranks in one ${slices.within}, and at most ${most} are to be in one ${spread.within}`,
      fix: `write most: ${slices.ranks} or more, or smaller slices`,
    }
}

function* tooLoose({ balanced, slices, spread, exclusive, spares }: Topology): Iterable<BrokenRule> {
  if (!balanced) return
  const others: [path: string[], level: Level | undefined][] = [
    [['slices', 'within'], slices?.within],
    [['spread', 'within'], spread?.within],
    [['exclusive'], exclusive],
    [['spares', 'within'], spares?.within],
  ]
  for (const [path, level] of others)
    if (level && widthOf(level) > widthOf(balanced))
      yield {
        path,
        message: `${level} is wider than ${balanced}, over which the ranks are balanced`,
        fix: `write ${balanced} or a tighter level, or balanced: ${level}`,
      }
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
