import type { Policy } from '#model/policy.ts'
import type { Project } from '#model/project.ts'
import type { Replica } from '#model/replica.ts'
import type { Amount, Resources } from '#model/resources.ts'
import { rolesOf } from '#model/spec/roles.ts'
import type { Spec } from '#model/spec/spec.ts'
import { expectedMsAtMost } from '#model/spec/throughput.ts'
import { slotsOf, type Workload } from '#model/workload.ts'

import type { Asked } from './facts.ts'

/** What one replica asks for, as the rules read it. */
export type Need = {
  /** The same for all who want the same; `family` also for workers of an array that run fewer tasks. */
  key: string
  family: string
  /** It has ended so long after its start; Infinity if nobody knows. */
  lastsMs: number
  workload: Workload
  replica: Replica
  spec: Spec
  project: Project
  /** The project's rules, over those of the house. */
  policy: Policy
  /** Nodes of the gang. */
  ranks: number
  /** What the nodes of each role must have, in the order of the ranks; most gangs have one role. */
  roles: { ranks: number; resources: Resources }[]
}

export type Keys = Pick<Need, 'key' | 'family'>

export function needOf(
  { workload, replica }: Asked,
  { project, defaults, ...keys }: Keys & { project: Project; defaults: Policy },
): Need {
  const { spec } = workload
  return {
    ...keys,
    lastsMs: spec.kind === 'service' ? Infinity : (spec.duration.maximumMs ?? expectedMsAtMost(spec) ?? Infinity),
    workload,
    replica,
    spec,
    project,
    policy: { ...defaults, ...project.policy },
    ranks: spec.nodes,
    roles: rolesIn(spec, replica.replica),
  }
}

/** A worker of an array has enough for all tasks that it runs side by side. */
const rolesIn = (spec: Spec, replica: number): Need['roles'] =>
  spec.kind === 'array'
    ? [{ ranks: spec.nodes, resources: sideBySide(spec.resources, slotsOf(spec, replica)) }]
    : rolesOf(spec).map(({ nodes, resources }) => ({ ranks: nodes, resources }))

/** The resources of `tasks` tasks on one node. A roomier node does as well: a worker is not a task. */
function sideBySide(one: Resources, tasks: number): Resources {
  // Where a task says nothing it counts as one CPU, so that eight of them do not share what is meant for one.
  const nothing = one.accelerators.length + one.cpuMilli.count + one.memoryMiB.count + one.diskMiB.count === 0
  const times = (amount: Amount): Amount => ({ count: amount.count * tasks, atLeast: true })
  return {
    accelerators: one.accelerators.map((request) => ({ ...request, count: request.count * tasks })),
    ordered: one.ordered,
    cpuMilli: nothing ? { count: oneCpu * tasks, atLeast: true } : times(one.cpuMilli),
    memoryMiB: times(one.memoryMiB),
    diskMiB: times(one.diskMiB),
    ...(one.sharedMemoryMiB !== undefined && { sharedMemoryMiB: one.sharedMemoryMiB * tasks }),
    ...(one.network && { network: one.network }),
  }
}

/** What a rank is given that asks for nothing at all, in thousandths of a core. */
export const oneCpu = 1000
