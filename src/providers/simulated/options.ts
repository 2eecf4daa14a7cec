import { z } from 'zod'

import { Tier } from '#model/names.ts'
import { OfferTerms } from '#model/offer.ts'
import { Shape } from '#model/resources.ts'
import { Site } from '#model/site.ts'

/** Milliseconds drawn evenly from [least, most]. */
const Range = z.tuple([z.int().min(0), z.int().min(0)]).refine(([least, most]) => least <= most, 'least first')
export type Range = z.output<typeof Range>

/** Nodes of one shape in one tier at a simulated site. */
const Pool = z.strictObject({
  tier: Tier,
  shape: Shape,
  priceMicros: z.int().min(0).meta({ description: 'Price of one node for one hour, in millionths of a US dollar.' }),
  nodes: z.int().min(0).meta({ description: 'Nodes that there are.' }),
  terms: OfferTerms.optional().meta({ description: 'What its offer binds to beside its price.' }),
})

const fraction = z.number().min(0).max(1)

/** What happens to calls, by chance or in a window of time. */
export const Trouble = z.enum(['throttled', 'no-capacity', 'unreachable', 'hanging', 'lost-reply'])
export type Trouble = z.infer<typeof Trouble>

/** How a simulated provider behaves. Everything is off unless told: calls are then answered at once, all goes well. */
export const Faults = z.strictObject({
  rates: z.partialRecord(Trouble, fraction).default({}).meta({ description: 'Share of calls that each befalls.' }),
  windows: z
    .array(z.strictObject({ site: z.string(), from: z.int(), to: z.int(), trouble: Trouble }))
    .default([])
    .meta({ description: 'Trouble that befalls every call to a site in [from, to).' }),
  callMs: Range.default([0, 0]).meta({ description: 'How long a call takes; its effect comes halfway.' }),
  bootMs: Range.default([0, 0]).meta({ description: 'From an order to its ranks running.' }),
  runMs: Range.default([60_000, 60_000]).meta({ description: 'How long the ranks of an unscripted order run.' }),
  stopMs: Range.default([0, 0]).meta({ description: 'From SIGTERM to the end of a rank that heeds it.' }),
  teardownMs: Range.default([0, 0]).meta({ description: 'From the end of the ranks of a retired order to gone.' }),
  hiddenMs: Range.default([0, 0]).meta({ description: 'How long get and list do not show a new gang.' }),
  ghostMs: Range.default([0, 0]).meta({ description: 'How long get and list still show a gone gang.' }),
  preemptionsPerHour: z.number().min(0).default(0).meta({ description: 'Rate for a gang in the spot tier.' }),
  told: fraction.default(1).meta({
    description: 'Share of preempted gangs that stay listed with their ranks lost; the others vanish without a word.',
  }),
})
export type Faults = z.output<typeof Faults>

const Pace = z.strictObject({ bootMs: Range.optional(), runMs: Range.optional() })
export const SimulatedSite = Site.omit({ provider: true }).extend({
  pools: z.array(Pool).min(1),
  pace: Pace.prefault({}).meta({ description: 'Its own, where it differs from that of the provider.' }),
})
export type SimulatedSite = z.output<typeof SimulatedSite>

export const SimulatedOptions = z.strictObject({
  seed: z.union([z.int(), z.string().max(200)]),
  sites: z.array(SimulatedSite).min(1),
  faults: Faults.prefault({}),
})
export type SimulatedOptions = z.input<typeof SimulatedOptions>
