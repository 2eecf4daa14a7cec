import { z } from 'zod'

import { Name } from '#model/names.ts'
import { Policy } from '#model/policy.ts'
import { Preemption, Quota } from '#model/project.ts'
import { MoneyView } from './run-views.ts'

export const ProjectView = z
  .object({
    name: z.string(),
    parent: z.string().nullable(),
    weight: z.int(),
    quota: Quota,
    borrowing: Quota,
    lending: Quota,
    budget: MoneyView.nullable(),
    spent: MoneyView,
    policy: Policy,
    preemption: Preemption,
  })
  .meta({ id: 'Project' })
export type ProjectView = z.infer<typeof ProjectView>

export const ProjectList = z.object({ items: z.array(ProjectView) }).meta({ id: 'ProjectList' })
export type ProjectList = z.infer<typeof ProjectList>

export const ProjectRequest = z
  .strictObject({
    parent: Name.nullable().optional(),
    weight: z.int().min(1).max(1_000_000).optional(),
    quota: Quota.strict().optional(),
    borrowing: Quota.strict().optional(),
    lending: Quota.strict().optional(),
    budgetMicros: z.int().min(0).nullable().optional(),
    policy: Policy.strict().optional(),
    preemption: Preemption.partial().strict().optional(),
  })
  .meta({ id: 'ProjectRequest', description: 'What is absent stays as it is.' })
export type ProjectRequest = z.input<typeof ProjectRequest>
