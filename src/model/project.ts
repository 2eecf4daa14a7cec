import { z } from 'zod'

import { Name } from './names.ts'
import { Policy } from './policy.ts'

const amount = z.int().min(0)

/** What the live leases of a project may hold together, of each resource. */
export const Quota = z.object({
  cpuMilli: amount.optional(),
  accelerators: amount.optional(),
  nodes: amount.optional(),
  domains: z
    .strictObject({ nvlink: amount.optional(), block: amount.optional() })
    .optional()
    .meta({ description: 'Domains of a topology in which it holds anything.' }),
})
export type Quota = z.infer<typeof Quota>

/** Who may be stopped, with its grace, so that work of a project can start; and how often its own may be. */
export const Preemption = z.object({
  within: z
    .enum(['never', 'lower-priority'])
    .default('never')
    .meta({ description: 'Work of the project itself: never, or that of lower priority.' }),
  reclaim: z
    .enum(['never', 'lower-priority', 'any'])
    .default('never')
    .meta({ description: 'Work of others that borrow what is its own: never, that of lower priority, or any.' }),
  perHour: amount
    .nullable()
    .default(null)
    .meta({ description: 'The most workloads of its own that are stopped for others in an hour; null for no limit.' }),
})
export type Preemption = z.infer<typeof Preemption>

/**
 * Whose quota, weight, budget and policy apply. Projects form trees. Alone in its tree a project is not limited in what
 * it has no quota of; in a tree where anybody has a quota of a resource, who has none owns none of it and may borrow.
 */
export const Project = z.object({
  name: Name,
  parent: Name.nullable().default(null).meta({ description: 'The project that it is part of; null for none.' }),
  weight: z.int().min(1).max(1_000_000).default(1),
  quota: Quota.prefault({}),
  borrowing: Quota.prefault({}).meta({ description: 'The most that it may hold above its quota; absent: no limit.' }),
  lending: Quota.prefault({}).meta({ description: 'The most of its quota that others may hold; absent: all.' }),
  budgetMicros: amount.nullable().default(null).meta({ description: 'What it may spend in all; null for no limit.' }),
  policy: Policy.prefault({}),
  preemption: Preemption.prefault({}),
})
export type Project = z.infer<typeof Project>

/** Whether other work may have to leave for that of a project. */
export const mayPreempt = ({ preemption: { within, reclaim } }: Pick<Project, 'preemption'>): boolean =>
  within !== 'never' || reclaim !== 'never'
