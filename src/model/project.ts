import { z } from 'zod'

import { Name } from './names.ts'
import { Policy } from './policy.ts'

/** The most that the live leases of a project may hold together; what is absent is not limited. */
export const Quota = z.object({
  cpuMilli: z.int().min(0).optional(),
  accelerators: z.int().min(0).optional(),
  nodes: z.int().min(0).optional(),
})
export type Quota = z.infer<typeof Quota>

/** Whose quota, weight, budget and policy apply. */
export const Project = z.object({
  name: Name,
  weight: z.int().min(1).max(1_000_000).default(1),
  quota: Quota.prefault({}),
  budgetMicros: z
    .int()
    .min(0)
    .nullable()
    .default(null)
    .meta({ description: 'What it may spend in all; null for no limit.' }),
  policy: Policy.prefault({}),
})
export type Project = z.infer<typeof Project>
