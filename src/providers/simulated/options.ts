import { z } from 'zod'

import { Tier } from '#model/names.ts'
import { OfferTerms } from '#model/offer.ts'
import { Shape } from '#model/resources.ts'
import { Site } from '#model/site.ts'
import { Faults, type GivenFaults } from './faults.ts'
import { ProfileName, profiles } from './profiles.ts'
import { Range } from './range.ts'

/** Nodes of one shape in one tier at a simulated site. */
const Pool = z.strictObject({
  tier: Tier,
  shape: Shape,
  priceMicros: z.int().min(0).meta({ description: 'Price of one node for one hour, in millionths of a US dollar.' }),
  nodes: z.int().min(0).meta({ description: 'Nodes that there are.' }),
  divisible: z.literal(true).optional().meta({
    description:
      'Nodes with names are shared: each rank holds its part of one, and pays its dominant share of the price.',
  }),
  terms: OfferTerms.optional().meta({ description: 'What its offer binds to beside its price.' }),
})

/** Read once all that is said of a site is put together. */
const GivenFaults = z.custom<GivenFaults>((given) => typeof given === 'object' && given !== null)

const Pace = z.strictObject({ bootMs: Range.optional(), runMs: Range.optional() })
const Marks = z.strictObject({
  labels: z.record(z.string(), z.string()).optional(),
  taints: z.array(z.string()).optional(),
})
/**
 * How nodes with names stand: so many in a domain of accelerators, and so many of these in a block; and with which labels
 * and taints they are marked, one node after the other, in turn.
 */
const Racks = z.strictObject({
  nodes: z.int().min(1),
  inBlock: z.int().min(1),
  marks: z.array(Marks).min(1).optional(),
})
export type Marks = z.output<typeof Marks>
export type Racks = z.output<typeof Racks>

export const SimulatedSite = Site.omit({ provider: true }).extend({
  pools: z.array(Pool).min(1),
  quota: z.int().min(0).optional().meta({ description: 'Nodes that we may hold there at once; all when absent.' }),
  racks: Racks.optional().meta({
    description: 'Its nodes have names, an order names those that it is for, and an inventory tells of them.',
  }),
  profile: ProfileName.optional().meta({ description: 'Behaves as this provider is known to.' }),
  tells: z.literal(true).optional().meta({ description: 'It tells of changes (`watch`).' }),
  faults: GivenFaults.optional().meta({ description: 'Its own, where they differ from all that is said elsewhere.' }),
  pace: Pace.prefault({}).meta({ description: 'Its own, where it differs from that of the provider.' }),
})
export type SimulatedSite = z.output<typeof SimulatedSite>

export const SimulatedOptions = z
  .strictObject({
    seed: z.union([z.int(), z.string().max(200)]),
    sites: z.array(SimulatedSite).min(1),
    faults: GivenFaults.default({}).meta({
      description: 'Of all sites; their profiles and own faults go before them.',
    }),
  })
  .refine(({ sites }) => sites.every(({ racks }) => !racks === !sites[0]?.racks), {
    error: 'a provider tells the nodes of all its sites by name, or of none; give racks to all of them, or to none',
  })
export type SimulatedOptions = z.input<typeof SimulatedOptions>

/** Nodes of a site that behaves as a provider get twice as long to come up as they take there. */
export const upWithinMsOf = ({ upWithinMs, profile }: SimulatedSite, { bootMs }: Faults): number | undefined =>
  upWithinMs ?? (profile && 2 * bootMs[1] > ordinaryMs ? 2 * bootMs[1] : undefined)

const ordinaryMs = 120_000

/**
 * The faults of one site: those of all, over which go those of its profile, its own, and its pace. Rates go over rates one
 * by one; windows and changes come together.
 */
export function faultsOf(site: SimulatedSite, all: GivenFaults): Faults {
  const layers: GivenFaults[] = [all, site.profile ? profiles[site.profile] : {}, site.faults ?? {}, site.pace]
  const given = layers.reduce((below, above) => ({
    ...below,
    ...above,
    rates: { ...below.rates, ...above.rates },
    windows: [...(below.windows ?? []), ...(above.windows ?? [])],
    changes: [...(below.changes ?? []), ...(above.changes ?? [])],
  }))
  return Faults.parse(given)
}
