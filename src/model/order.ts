import { z } from 'zod'

import type { Instant } from '#kit/clock.ts'
import type { Program } from './agent-protocol.ts'
import { AcceleratorPart, NetworkRequest, Shape } from './resources.ts'

/**
 * What a provider is asked to start: a whole gang, as one thing. It carries no secret: the agent (or the adapter, where
 * another engine runs the ranks) asks the control plane for those with the order's credential.
 */
export const Order = z.object({
  token: z.string().max(100).meta({ description: 'Idempotency token, tagged onto everything that is created.' }),
  workload: z.string(),
  attempt: z.int().min(1).meta({ description: "The attempt's number." }),
  site: z.string().meta({ description: "The site's name at its provider." }),
  tier: z.string(),
  image: z.string().optional(),
  ranks: z
    .array(
      z.object({
        rank: z.int().min(0),
        node: z.string().optional(),
        shape: Shape,
        part: AcceleratorPart.optional().meta({ description: 'Its part of an accelerator that others share.' }),
        sharedMemoryMiB: z.int().min(1).optional().meta({ description: 'How much /dev/shm it must have.' }),
        network: NetworkRequest.optional(),
      }),
    )
    .min(1)
    .meta({ description: 'One for each node, in the order of ranks.' }),
  graceMs: z.int().min(0),
  maximumMs: z.int().min(1).optional().meta({
    description: 'How long it may run; who can ends it a little later, should nobody else have.',
  }),
  controlPlanes: z.array(z.string()).min(1).meta({ description: 'Addresses of the control plane that agents dial.' }),
})
export type Order = z.infer<typeof Order>

/**
 * An order with the credential of its attempt, which is never stored: it is derived from the key and the token. With a
 * permit its only rank may start before it asks, until that time of the house; whoever cannot make use of it need not.
 */
export type CredentialedOrder = Order & {
  credential: string
  permit?: { go: Program; until: Instant }
  /**
   * What each rank does, in the order of ranks, where the engine of the site runs them itself and no agent asks. With
   * secrets: it is never stored nor told.
   */
  programs?: readonly Program[]
}
