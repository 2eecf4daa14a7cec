import { z } from 'zod'

/**
 * What data costs that leaves a place, by how much of it has left in the month: each part pays the price of the step
 * that it falls into, so a step never makes what came before cheaper. A GB is 10⁹ bytes.
 */
export const EgressSteps = z
  .array(
    z.object({
      untilGB: z.int().min(1).optional().meta({ description: 'Where the step ends; the last one has no end.' }),
      microsPerGB: z.int().min(0).meta({ description: 'Price of a gigabyte, in millionths of a US dollar.' }),
    }),
  )
  .min(1)
  .max(20)
export type EgressSteps = z.infer<typeof EgressSteps>

/** What a site takes for data that leaves it for a place: a site, a provider, a jurisdiction, or `*` for all others. */
export const EgressTariff = z.object({ to: z.string(), steps: EgressSteps })
export type EgressTariff = z.infer<typeof EgressTariff>
