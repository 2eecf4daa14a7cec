import { z } from 'zod'

import { Tier } from '#model/names.ts'
import { hourlyMicros } from '#model/spec/text.ts'
import { distinctNames } from '#providers/declared-site.ts'
import { namedStore } from '#providers/declared-store.ts'
import { termsField } from '#providers/declared-terms.ts'
import { clusterFields, namedQueue, objectName, onePlace } from '#providers/kubernetes/config.ts'

const PoolField = z.strictObject({
  tier: Tier.optional().meta({
    description: 'How its nodes are bought: CoreWeave tells spot from the rest, and the rest not from each other.',
  }),
  price: hourlyMicros('Price of one of its nodes for one hour: of a flex reservation, what use costs.').optional(),
  terms: termsField.optional(),
  most: z.int().min(0).max(100_000).optional().meta({
    description: 'Up to so many nodes it may be asked for while work waits for them; without it, it is left as it is.',
  }),
})
export type PoolField = z.output<typeof PoolField>

const CoreweaveSiteField = z
  .strictObject({
    ...clusterFields,
    price: hourlyMicros(
      'Price of one node for one hour, where neither its pool nor the list price tells it.',
    ).optional(),
    pools: z.record(objectName, PoolField).default({}).meta({
      description:
        'What is agreed on NodePools, by their names: `tier`, `price` and `terms` of their nodes, and `most`, up to how many of these one may be asked for.',
    }),
  })
  .refine(...onePlace)
  .refine(...namedQueue)
  .refine(...namedStore)

/** The clusters of CoreWeave that sites.yaml declares. */
export const CoreweaveConfig = z
  .strictObject({ sites: z.array(CoreweaveSiteField).min(1).max(1000) })
  .refine(...distinctNames)
export type CoreweaveConfig = z.output<typeof CoreweaveConfig>
export type CoreweaveSite = CoreweaveConfig['sites'][number]
