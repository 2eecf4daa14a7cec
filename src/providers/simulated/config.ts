import { z } from 'zod'

import { durationMs } from '#model/spec/text.ts'
import { distinctNames, shapeField, siteFields } from '#providers/declared-site.ts'
import type { SimulatedOptions } from './options.ts'

const SimulatedSiteField = z.strictObject({
  ...siteFields,
  shape: shapeField,
  boot: durationMs('From an order to its ranks running.').default(2_000),
  run: durationMs('How long ranks run; then they exit with 0.').default(60_000),
})

/** Simulated sites as sites.yaml declares them, so that one can try the control plane without a cloud. */
export const SimulatedConfig = z
  .strictObject({ sites: z.array(SimulatedSiteField).min(1).max(100) })
  .refine(...distinctNames)

/** The options of the sites that a file declares. */
export const simulatedOptions = ({ sites }: z.output<typeof SimulatedConfig>): SimulatedOptions => ({
  seed: 1,
  sites: sites.map(({ name, jurisdictions, patience, tier, price, nodes, shape, boot, run, terms, egress }) => ({
    name,
    jurisdictions,
    patienceMs: patience,
    ...(egress ? { egress } : {}),
    pools: [{ tier, shape, priceMicros: price, nodes, terms }],
    pace: { bootMs: [boot, boot], runMs: [run, run] },
  })),
})
