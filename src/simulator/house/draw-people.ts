import type { Draw } from './chance.ts'
import { secretName } from './draw-work.ts'
import type { Measure } from './measure.ts'
import type { Step } from './story.ts'

export const teamOf = (draw: Draw, { means }: Measure): Record<string, unknown> => ({
  ...(draw.chance(0.5) && { quota: { cpuMilli: quotaOf(draw).cpuMilli * means } }),
  ...(draw.chance(0.3) && { budgetMicros: budgetOf(draw) * means ** 2 }),
  ...(draw.chance(0.3) && { preemption: preemptionOf(draw) }),
})

const quotaOf = (draw: Draw) => ({ cpuMilli: draw.between(2, 24) * 1000 })
const budgetOf = (draw: Draw): number => draw.between(1, 50) * 100_000
const preemptionOf = (draw: Draw) => ({ within: 'lower-priority', reclaim: draw.of(['never', 'any']) })

type Room = { calmAt: number; workloads: string[]; sites: string[] }

/** What people do beside their work: they change what holds for a project, a secret, what a site has; or only look. */
export function doingOf(draw: Draw, { calmAt, workloads, sites }: Room): Step[] {
  const at = draw.between(0, calmAt * 0.9)
  const project = draw.of(['default', 'team', 'team'])
  switch (draw.of(['project', 'secret', 'look', 'look', 'supply'])) {
    case 'project':
      return [{ at, do: 'project', name: project, fields: changeOf(draw) }]
    case 'secret': {
      const changed: Step = { at: draw.between(at, calmAt), do: 'secret', project, name: secretName, value: 'new' }
      const removed: Step = { ...changed, at, value: null }
      // What has its machines already waits for it; for one that does not come back not for ever.
      return [...draw.of([[changed], [removed, changed], [removed]])]
    }
    case 'look':
      return [{ at, do: 'look', path: pathOf(draw, draw.any(workloads, 'work-0'), project) }]
    case 'supply': {
      const site = draw.any(sites, 'site-0')
      const what = draw.of(['nodes', 'nodes', 'price', 'quota'])
      if (what === 'nodes') return [{ at, do: 'supply', site, nodes: draw.between(0, 12) }]
      if (what === 'price') return [{ at, do: 'supply', site, priceMicros: draw.between(0, 9_000_000) }]
      return [{ at, do: 'supply', site, quota: draw.chance(0.3) ? null : draw.between(0, 8) }]
    }
  }
}

/** Limits come, are raised or lowered below what is used, and go. */
function changeOf(draw: Draw): Record<string, unknown> {
  switch (draw.of(['quota', 'budget', 'preemption', 'weight'])) {
    case 'quota':
      return { quota: draw.chance(0.3) ? {} : quotaOf(draw) }
    case 'budget':
      return { budgetMicros: draw.chance(0.3) ? null : budgetOf(draw) }
    case 'preemption':
      return { preemption: draw.chance(0.3) ? { within: 'never', reclaim: 'never' } : preemptionOf(draw) }
    case 'weight':
      return { weight: draw.between(1, 5) }
  }
}

/** What people read of a house. */
function pathOf(draw: Draw, workload: string, project: string): string {
  const its = (what: string) => `/v1/workloads/${workload}${what}?project=${project}`
  const answers = [
    '/v1/workloads',
    '/v1/sites',
    '/v1/offers',
    '/v1/cost',
    '/v1/projects',
    '/v1/secrets',
    '/v1/events',
  ] as const
  return draw.of([
    ...answers,
    '/v1/endpoints',
    '/v1/server',
    '/metrics',
    its(''),
    its('/why'),
    its('/logs'),
    `/v1/secrets/${secretName}?project=${project}`,
  ])
}
