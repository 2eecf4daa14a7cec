import { z } from 'zod'

import { ProviderName, Tier } from './names.ts'
import { NodePool } from './node-pool.ts'
import { Shape } from './resources.ts'

/** Capacity that is paid for whether or not it is used: so many nodes, or so much time of nodes that is left. */
export const Commitment = z.object({
  nodes: z.int().min(0).optional().meta({ description: 'Nodes that are paid for; absent when it is their time.' }),
  nodeMs: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Time of nodes that is paid for and left, in milliseconds; absent when it is not counted.' }),
  until: z.int().optional().meta({ description: 'When it ends, in milliseconds since the epoch; absent when never.' }),
})
export type Commitment = z.infer<typeof Commitment>

/** What an offer binds both sides to, beside its price. */
export const OfferTerms = z.object({
  commitment: Commitment.optional(),
  from: z.int().optional().meta({ description: 'A capacity block: not to be had before, in ms since the epoch.' }),
  until: z.int().optional().meta({ description: 'A capacity block: taken away then, in ms since the epoch.' }),
  takenPpm: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .meta({ description: 'How often a node of it is taken away in an hour, in millionths.' }),
})
export type OfferTerms = z.infer<typeof OfferTerms>

/** The most that one order may have of something, by a rule of the site's own: a limit of an account, a quality of service. */
export const Bound = z.object({
  of: z.enum(['nodes', 'accelerators', 'cpuMilli', 'memoryMiB']),
  most: z.int().min(0).meta({ description: 'In the unit of what it bounds; all ranks of an order together.' }),
  by: z.string().max(300).meta({ description: 'Who says so, in the words of the site.' }),
})
export type Bound = z.infer<typeof Bound>

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
  pools: z
    .array(NodePool)
    .max(500)
    .optional()
    .meta({ description: 'Where more of its nodes come from, where a cloud keeps as many as it was asked for.' }),
  bounds: z
    .array(Bound)
    .max(10)
    .optional()
    .meta({ description: 'What one order may have there; absent for all that there is.' }),
  images: z.boolean().meta({ description: 'Whether it runs container images.' }),
  source: z.string().meta({ description: 'Where price and shape come from.' }),
  ...OfferTerms.shape,
  asOf: z.int().meta({ description: 'When that was true, in milliseconds since the epoch.' }),
})
export type Offer = z.infer<typeof Offer>
