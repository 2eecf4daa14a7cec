import { z } from 'zod'

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
