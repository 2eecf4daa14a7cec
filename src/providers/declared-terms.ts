import { z } from 'zod'

import type { EgressTariff } from '#model/egress.ts'
import type { OfferTerms } from '#model/offer.ts'
import { durationMs, instant, moneyMicros } from '#model/spec/text.ts'

// What sites.yaml says of the contract behind a site, as people write it.

const hourMs = 3_600_000

const commitmentField = z
  .strictObject({
    nodes: z.int().min(1).optional().meta({ description: 'Nodes that are paid for, used or not.' }),
    time: durationMs(
      'Time of nodes that is paid for and left: 10d is one node for ten days, or ten for one.',
    ).optional(),
    until: instant('When it ends.').optional(),
  })
  .transform(({ nodes, time, until }) => ({
    ...(nodes === undefined ? {} : { nodes }),
    ...(time === undefined ? {} : { nodeMs: time }),
    ...(until === undefined ? {} : { until }),
  }))

export const termsField = z
  .strictObject({
    commitment: commitmentField.optional().meta({ description: 'Capacity that is paid for anyway: it is used first.' }),
    from: instant('A capacity block: when it begins.').optional(),
    until: instant('A capacity block: when it ends.').optional(),
    takenEvery: durationMs('Spot: how long a node is kept on average until it is taken away.').optional(),
  })
  .transform(({ commitment, from, until, takenEvery }): OfferTerms => ({
    ...(commitment === undefined ? {} : { commitment }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(takenEvery === undefined ? {} : { takenPpm: Math.min(1_000_000, Math.round((1e6 * hourMs) / takenEvery)) }),
  }))
  .meta({ description: 'What its offers bind to beside their price.' })

const stepField = z
  .strictObject({
    untilGB: z.int().min(1).optional().meta({ description: 'Gigabytes in a month after which the next step begins.' }),
    price: moneyMicros('Price of one gigabyte.'),
  })
  .transform(({ untilGB, price }) => ({ ...(untilGB === undefined ? {} : { untilGB }), microsPerGB: price }))

export const egressField = z
  .array(
    z
      .strictObject({
        to: z.string().max(100).meta({ description: 'A site, a provider, a jurisdiction, or * for all others.' }),
        steps: z.array(stepField).min(1).max(20).meta({ description: 'Prices by what has left it in the month.' }),
      })
      .transform((tariff): EgressTariff => tariff),
  )
  .max(100)
  .refine(
    (tariffs) =>
      tariffs.every(({ steps }) => steps.every((step, at) => rises(steps[at - 1], step, at === steps.length - 1))),
    'the steps must rise, and only the last one has no untilGB',
  )
  .meta({ description: 'What data costs that leaves it.' })

type Step = EgressTariff['steps'][number]

const rises = (before: Step | undefined, { untilGB }: Step, last: boolean): boolean =>
  last ? untilGB === undefined : untilGB !== undefined && untilGB > (before?.untilGB ?? 0)
