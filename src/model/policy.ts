import { z } from 'zod'

import { Jurisdiction, ProviderName, SiteKey } from './names.ts'

/** Hard rules of a project. A rule that is absent allows everything; one that cannot be checked refuses. */
export const Policy = z.object({
  jurisdictions: z.array(Jurisdiction).optional(),
  providers: z.array(ProviderName).optional(),
  sites: z.array(SiteKey).optional(),
  maxProviderShare: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: "Most of a project's live nodes at one provider." }),
  maxPriceMicros: z.int().min(0).optional().meta({ description: 'Most for one node and hour, in micro-dollars.' }),
})
export type Policy = z.infer<typeof Policy>
