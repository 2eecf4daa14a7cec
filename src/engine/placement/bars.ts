import type { Project } from '#model/project.ts'
import { expectedMsAtLeast } from '#model/spec/throughput.ts'
import type { Workload } from '#model/workload.ts'

import type { Snapshot } from './facts.ts'

/** What stands in the way before any candidate is looked at. */
export type Bar =
  | { cause: 'no-project' }
  | { cause: 'secret'; name: string }
  | { cause: 'deadline'; deadline: number; expectedMs: number }
  | { cause: 'budget'; of: 'project' | 'workload'; limitMicros: number; spentMicros: bigint }

/** A project that is no more, a secret that was removed, a deadline that cannot be met any more, or a budget that is used up. */
export function barTo(
  workload: Workload,
  project: Project | undefined,
  { spent, missing, now }: Pick<Snapshot, 'spent' | 'missing'> & { now: number },
): Bar | null {
  if (!project) return { cause: 'no-project' }
  const { spec } = workload
  const name = missing?.get(workload.id)
  if (name !== undefined) return { cause: 'secret', name }
  const { deadline } = spec
  const expectedMs = expectedMsAtLeast(spec) ?? 0
  if (deadline !== undefined && now + expectedMs > deadline) return { cause: 'deadline', deadline, expectedMs }
  const budgets = [
    { of: 'workload' as const, limit: spec.budget?.limitMicros, spent: spent.get(`workload/${workload.id}`) },
    { of: 'project' as const, limit: project.budgetMicros ?? undefined, spent: spent.get(`project/${project.name}`) },
  ]
  for (const { of, limit, spent: used = 0n } of budgets)
    if (limit !== undefined && used >= BigInt(limit)) {
      return { cause: 'budget', of, limitMicros: limit, spentMicros: used }
    }
  return null
}
