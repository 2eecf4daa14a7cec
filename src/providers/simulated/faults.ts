import { z } from 'zod'

import { fraction, Range } from './range.ts'
import { CallName, Trouble } from './trouble.ts'

const Rate = z.union([fraction, z.partialRecord(CallName, fraction)])

const Window = z.strictObject({
  site: z.string().optional().meta({ description: 'Where; everywhere when absent.' }),
  from: z
    .int()
    .meta({ description: 'An instant, in milliseconds since the epoch; so is `to`, which is not part of it.' }),
  to: z.int(),
  trouble: Trouble,
  calls: z.array(CallName).optional().meta({ description: 'To which calls; to all that it may befall when absent.' }),
  share: fraction.default(1).meta({ description: 'Share of these calls, or of the gangs that they launch.' }),
})

/** What there is at a site from an instant on. What it does not name stays as it was. */
export const Supply = z.strictObject({
  pool: z.int().min(0).optional().meta({ description: 'Which pool; all of the site when absent.' }),
  nodes: z.int().min(0).optional().meta({ description: 'Nodes that there are; what runs beyond that goes on.' }),
  priceMicros: z.int().min(0).optional().meta({ description: 'Price for whoever launches from then on.' }),
  quota: z.int().min(0).nullable().optional().meta({ description: 'Nodes that we may hold there; null: all.' }),
})
export type Supply = z.output<typeof Supply>

const percent = z.tuple([z.int().min(0).max(1_000), z.int().min(0).max(1_000)])

/** How a simulated provider behaves. Everything is off unless told: calls are then answered at once, all goes well. */
export const Faults = z.strictObject({
  rates: z.partialRecord(Trouble, Rate).default({}).meta({
    description: 'Share of the calls, or of the gangs, that each befalls; for all kinds of calls, or by kind.',
  }),
  windows: z.array(Window).default([]).meta({ description: 'Trouble for a while.' }),
  changes: z
    .array(Supply.extend({ site: z.string(), at: z.int() }))
    .default([])
    .meta({ description: 'What there is changes then, in the order of time.' }),
  swings: z
    .strictObject({
      everyMs: z.int().min(1),
      nodes: percent.default([100, 100]),
      price: percent.default([100, 100]),
    })
    .optional()
    .meta({ description: 'Nodes and prices are drawn anew so often, in percent of what they are otherwise.' }),
  outages: z
    .strictObject({
      perHour: z.number().min(0).max(6),
      lastMs: Range,
      lost: fraction.default(0).meta({ description: 'Share of them in which all that runs there is gone, too.' }),
    })
    .optional()
    .meta({ description: 'Now and then a site does not answer for a while.' }),
  limits: z
    .partialRecord(CallName, z.strictObject({ perSecond: z.number().positive(), burst: z.int().min(1) }))
    .default({})
    .meta({ description: 'Calls of a kind that a site takes; those beyond are throttled.' }),
  retryAfterMs: Range.default([0, 0]).meta({
    description: 'When a throttled caller is told to ask again (at a limit: when there is room); not at all if 0.',
  }),
  callMs: Range.default([0, 0]).meta({ description: 'How long a call takes; its effect comes halfway.' }),
  crowdMs: z.int().min(0).default(0).meta({
    description: 'How much longer a launch takes for each one that is under way at its site, as at one slow machine.',
  }),
  slowMs: Range.default([5_000, 30_000]).meta({ description: 'How much longer what is slow takes.' }),
  lateMs: Range.default([1_000, 60_000]).meta({ description: 'How much later a call comes that is late or repeated.' }),
  lagMs: Range.default([1_000, 30_000]).meta({ description: 'How old an old view is, or an old offer.' }),
  skewMs: z
    .tuple([z.int(), z.int()])
    .default([-60_000, 60_000])
    .meta({ description: "How far the provider's clock is ahead of ours; one draw for a site." }),
  bootMs: Range.default([0, 0]).meta({ description: 'From an order to its ranks running.' }),
  lineMs: Range.default([0, 0]).meta({
    description: 'How long an order stands in line before its nodes are held, and paid; none stands in line if 0.',
  }),
  shuffled: fraction.default(0).meta({
    description: 'Share of the gangs whose ranks have changed places among the nodes that they were ordered for.',
  }),
  runMs: Range.default([60_000, 60_000]).meta({ description: 'How long the ranks of an unscripted order run.' }),
  stopMs: Range.default([0, 0]).meta({ description: 'From SIGTERM to the end of a rank that heeds it.' }),
  teardownMs: Range.default([0, 0]).meta({ description: 'From the end of the ranks of a retired order to gone.' }),
  hiddenMs: Range.default([0, 0]).meta({
    description: 'How long get and list do not show a new gang; any gang, unless `hidden` has a rate.',
  }),
  ghostMs: Range.default([0, 0]).meta({
    description: 'How long get and list still show a gone gang; any gang, unless `ghost` has a rate.',
  }),
  fateMs: Range.default([0, 60_000]).meta({
    description: 'When in its life a gang meets its fate, from its order on.',
  }),
  preemptionsPerHour: z.number().min(0).default(0).meta({ description: 'Rate for a gang in the spot tier.' }),
  noticeMs: Range.default([0, 0]).meta({ description: 'How long before it is taken a preempted gang is told so.' }),
  told: fraction.default(1).meta({
    description: 'Share of preempted gangs that stay listed with their ranks lost; the others vanish without a word.',
  }),
  machines: z.boolean().default(false).meta({
    description:
      'Nodes are held, and paid, until they are gone, as machines are; else until their ranks end, as jobs are.',
  }),
  rememberedMs: z.int().min(0).optional().meta({
    description:
      'How long after its end a token is known; then an order that comes late makes a gang. Always when absent.',
  }),
})
export type Faults = z.output<typeof Faults>
/** As they are written: parts of them. */
export type GivenFaults = z.input<typeof Faults>
