import { z } from 'zod'

import { ProviderName, Tier } from './names.ts'
import { Shape } from './resources.ts'

/** A shape one can get at a site, at a price, in a tier, with its source and age. */
export const Offer = z.object({
  provider: ProviderName,
  site: z.string().meta({ description: "The site's name at its provider." }),
  tier: Tier,
  shape: Shape,
  /** A slice pays its dominant share of the node. */
  divisible: z
    .boolean()
    .meta({ description: 'Whether a slice of such a node can be had, for its share of the price.' }),
  priceMicros: z.int().min(0).meta({ description: 'Price of one node for one hour, in millionths of a US dollar.' }),
  available: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Nodes to be had in all, those we hold included; absent where the provider does not tell.' }),
  images: z.boolean().meta({ description: 'Whether it runs container images.' }),
  source: z.string().meta({ description: 'Where price and shape come from.' }),
  asOf: z.int().meta({ description: 'When that was true, in milliseconds since the epoch.' }),
})
export type Offer = z.infer<typeof Offer>
