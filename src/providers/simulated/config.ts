import { z } from 'zod'

import { durationMs } from '#model/spec/text.ts'
import { distinctNames, shapeField, siteFields } from '#providers/declared-site.ts'
import type { SimulatedOptions } from './options.ts'
import { ProfileName } from './profiles.ts'
import { fraction } from './range.ts'
import { Trouble } from './trouble.ts'

const SimulatedSiteField = z.strictObject({
  ...siteFields,
  shape: shapeField,
  quota: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'Nodes that we may hold there at once; all of them without it.' }),
  boot: durationMs('From an order to its ranks running; without it 2s, or what its profile says.').optional(),
  run: durationMs('How long ranks run; then they exit with 0.').default(60_000),
  profile: ProfileName.optional().meta({
    description: 'Behaves as this provider is known to: as slow, as full and as forgetful.',
  }),
  troubles: z
    .partialRecord(Trouble.exclude(['lost']), fraction)
    .optional()
    .meta({
      description: 'Share of the calls, or of the gangs, that each trouble befalls.',
      examples: [{ throttled: 0.1 }],
    }),
})

/** Simulated sites as sites.yaml declares them, so that one can try the control plane without a cloud. */
export const SimulatedConfig = z
  .strictObject({ sites: z.array(SimulatedSiteField).min(1).max(100) })
  .refine(...distinctNames)

const bootMs = 2_000

/** The options of the sites that a file declares. */
export const simulatedOptions = ({ sites }: z.output<typeof SimulatedConfig>): SimulatedOptions => ({
  seed: 1,
  sites: sites.map(({ name, jurisdictions, patience, upWithin, egress, quota, profile, ...site }) => {
    const { tier, price, nodes, shape, boot = profile ? undefined : bootMs, run, terms, troubles } = site
    return {
      name,
      jurisdictions,
      patienceMs: patience,
      ...(upWithin === undefined ? {} : { upWithinMs: upWithin }),
      ...(egress ? { egress } : {}),
      ...(quota === undefined ? {} : { quota }),
      ...(profile ? { profile } : {}),
      pools: [{ tier, shape, priceMicros: price, nodes, terms }],
      ...(troubles ? { faults: { rates: troubles } } : {}),
      pace: { ...(boot === undefined ? {} : { bootMs: [boot, boot] }), runMs: [run, run] },
    }
  }),
})
