import { z } from 'zod'

import { Examination } from '#model/examination.ts'
import { Name, ProviderName } from '#model/names.ts'

// What the API says of joining and leaving sites. Fields are added, never renamed or taken away.

export const siteParams = z.object({ provider: ProviderName, name: Name })

export const JoinRequest = z
  .object({
    provider: ProviderName,
    site: z.record(z.string().max(100), z.unknown()).meta({
      description:
        'As in sites.yaml, without `provider`. What is left open is found, or told to be unknown. Paths are those of the machine of the control plane.',
    }),
  })
  .meta({ id: 'JoinRequest' })
export type JoinRequest = z.infer<typeof JoinRequest>

export const JoinView = Examination.extend({
  site: z.string().nullable().meta({ description: 'provider/name; null where its name is not known.' }),
  joined: z.boolean(),
}).meta({ id: 'Join' })
export type JoinView = z.infer<typeof JoinView>
