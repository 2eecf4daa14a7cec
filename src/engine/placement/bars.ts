import type { Project } from '#model/project.ts'
import { expectedMsAtLeast } from '#model/spec/throughput.ts'
import type { Workload } from '#model/workload.ts'

import type { Snapshot } from './facts.ts'

/** What stands in the way before any candidate is looked at. */
export type Bar =
  | { cause: 'no-project' }
  | { cause: 'secret'; name: string }
  | { cause: 'deadline'; deadline: number; expectedMs: number }
  | { cause: 'budget'; of: 'project' | 'workload'; limitMicros: number }

/** A project that is no more, a secret that was removed, a deadline that cannot be met any more, or a budget that is used up. */
export function barTo(
  workload: Workload,
  project: Project | undefined,
  { spent, missing, spot, now }: Pick<Snapshot, 'spent' | 'missing' | 'spot'> & { now: number },
): Bar | null {
  if (!project) return { cause: 'no-project' }
  const { spec } = workload
  const name = missing?.get(workload.id)
  if (name !== undefined) return { cause: 'secret', name }
  const { deadline } = spec
  const expectedMs = Math.max(0, (expectedMsAtLeast(spec) ?? 0) - ranMsOf(workload, spot))
  if (deadline !== undefined && now + expectedMs > deadline) return { cause: 'deadline', deadline, expectedMs }
  const budgets = [
    { of: 'workload' as const, limit: spec.budget?.limitMicros, spent: spent.get(`workload/${workload.id}`) },
    { of: 'project' as const, limit: project.budgetMicros ?? undefined, spent: spent.get(`project/${project.name}`) },
  ]
  for (const { of, limit, spent: used = 0n } of budgets)
    if (limit !== undefined && used >= BigInt(limit)) return { cause: 'budget', of, limitMicros: limit }
  return null
}

/** As much of its work as it may have done at the most, in milliseconds at speed 1: of who was planned on spot markets and ran. */
export const ranMsOf = ({ id, spec }: Workload, spot: Snapshot['spot']): number =>
  (spot?.tries ?? []).reduce((sum, { workload, ranMs }) => sum + (workload === id ? ranMs : 0), 0) *
  Math.max(1, ...Object.values(spec.throughput))
