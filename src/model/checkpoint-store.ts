import { z } from 'zod'

/** A bucket of an object store in which a site keeps checkpoints, as the house knows it: without its keys. */
export const CheckpointStore = z.object({
  bucket: z.string(),
  prefix: z.string().meta({ description: 'What all keys begin with: empty, or ending in a slash.' }),
  endpoint: z.string(),
  region: z.string(),
  addressing: z.enum(['virtual', 'path']),
  secret: z.string().optional().meta({
    description: 'The secret of the project that holds the keys; without it, where the work runs there are some.',
  }),
})
export type CheckpointStore = z.infer<typeof CheckpointStore>

/** The same with its keys, for who keeps checkpoints there. */
export const OpenStore = CheckpointStore.omit({ secret: true }).extend({
  keys: z.record(z.string(), z.string()).nullable().meta({ description: 'By the names that AWS gives them.' }),
})
export type OpenStore = z.infer<typeof OpenStore>
