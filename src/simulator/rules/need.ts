import type { Asked } from '#engine/placement/facts.ts'
import type { Need } from '#engine/placement/need.ts'
import type { Project } from '#model/project.ts'
import type { Resources } from '#model/resources.ts'
import { JobSpec } from '#model/spec/spec.ts'
import { TopologyField } from '#model/spec/topology.ts'
import type { Demand } from '#simulator/replay/floor.ts'
import type { NodeGroup } from '#simulator/scenario/fleet.ts'

/** How much each rank takes of a node: equal parts, or whole nodes and what is left. */
export function partsOf({ size }: NodeGroup, { amount, ranks }: Demand): { each: number; ranks: number }[] {
  if (ranks > 0) return [{ each: amount / ranks, ranks }]
  const rest = amount % size
  const whole = { each: size, ranks: (amount - rest) / size }
  return [whole, { each: rest, ranks: 1 }].filter((part) => part.each > 0 && part.ranks > 0)
}

/** What is asked for on nodes of a group, as the rules of the engine read it. */
export function needOf(demand: Demand, group: NodeGroup, project: Project): Need {
  const parts = demand.unit === group.unit ? partsOf(group, demand) : [{ each: demand.amount, ranks: 1 }]
  const roles = parts.map(({ each, ranks }) => ({ ranks, resources: resourcesOf(demand, each) }))
  const ranks = roles.reduce((sum, role) => sum + role.ranks, 0)
  const within = (['nvlink', 'block'] as const)[demand.within - 1]
  const spec = { ...plain, nodes: ranks, ...(within && { topology: TopologyField.parse({ within }) }) }
  return {
    key: '',
    family: '',
    lastsMs: 0,
    workload: { ...workload, project: project.name, spec },
    replica,
    spec,
    project,
    policy: project.policy,
    ranks,
    roles,
  }
}

/** A plain job of a project, that waits. */
export const askedBy = ({ name }: Project): Asked => ({ workload: { ...workload, project: name }, replica })

const resourcesOf = ({ unit, part }: Demand, each: number): Resources => ({
  ...plain.resources,
  ...(unit === 'gpu' ? { accelerators: [{ count: each, ...part }] } : { cpuMilli: { count: each, atLeast: false } }),
})

/** A job that asks for nothing else. */
const plain = JobSpec.parse({ kind: 'job', name: 'job', run: 'true' })

const workload: Need['workload'] = {
  id: 'job',
  name: 'job',
  project: plain.project,
  kind: 'job',
  spec: plain,
  bundle: null,
  priority: 0,
  wants: 'run',
  state: 'queued',
  exitCode: null,
  reason: '',
  attempts: 0,
  submittedBy: '',
  createdAt: 0,
  startedAt: null,
  endedAt: null,
}

const replica: Need['replica'] = {
  workload: 'job',
  replica: 0,
  state: 'waiting',
  losses: 0,
  failures: 0,
  notBefore: 0,
  avoid: {},
}
