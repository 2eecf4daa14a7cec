import { z } from 'zod'

import { EnvironmentName, Name } from '#model/names.ts'
import {
  BudgetField,
  CheckpointField,
  DataSetField,
  Deadline,
  DurationField,
  EnvironmentField,
  ObjectiveField,
  PlacementField,
  ReadinessField,
  ReplicasField,
  RetryField,
  ThroughputField,
} from './fields.ts'
import { ResourcesField } from './resources-text.ts'
import { type Role, RoleField, Script } from './role-field.ts'
import { durationMs } from './text.ts'
import { TopologyField } from './topology.ts'

const mostNodes = 100_000
const nodes = z.int().min(1).max(mostNodes)

const common = {
  name: Name.meta({ description: 'What people call it.' }),
  project: Name.default('default').meta({ description: 'Whose quota, budget and policy apply.' }),
  labels: z.record(z.string().max(63), z.string().max(200)).default({}).meta({ description: 'Free key-value pairs.' }),
  nodes: nodes.default(1).meta({ description: 'Nodes of one gang: all start or none.' }),
  resources: ResourcesField.prefault({}).meta({ description: 'What one node must have.' }),
  image: z.string().max(500).optional().meta({ description: 'Container image, where the provider runs containers.' }),
  workdir: z.string().max(1000).optional().meta({ description: 'Folder to take along, relative to the spec.' }),
  setup: z.string().max(65_536).optional().meta({ description: 'Shell commands once per node, before run.' }),
  run: Script.meta({ description: 'Shell commands that do the work, on every node.' }),
  env: EnvironmentField.default({}).meta({ description: 'Environment variables.' }),
  secrets: z
    .array(EnvironmentName)
    .max(100)
    .default([])
    .meta({ description: 'Names of secrets, each becomes an environment variable.' }),
  topology: TopologyField.optional().meta({
    description: 'How close together, or how far apart, the nodes of a gang stand.',
  }),
  placement: PlacementField.prefault({}).meta({ description: 'Where it may run.' }),
  budget: BudgetField.optional().meta({ description: 'What it may cost.' }),
  deadline: Deadline.optional(),
  duration: DurationField.prefault({}).meta({ description: 'How long it runs.' }),
  objective: ObjectiveField.default('cost').meta({
    description: 'What decides between candidates: what the whole run costs, when it ends, or both alike.',
  }),
  throughput: ThroughputField.default({}).meta({
    description:
      'How fast it runs on accelerators of a model, beside 1: half the speed takes twice as long. To a thousandth.',
    examples: [{ H100: 1, A100: 0.45 }],
  }),
  priority: z.int().min(-1000).max(1000).default(0).meta({ description: 'Higher goes first within the queue.' }),
  checkpoint: CheckpointField.prefault({}).meta({ description: 'Where it saves its state, and how long that takes.' }),
  retry: RetryField.prefault({}).meta({ description: 'When to start it again.' }),
  data: z
    .array(DataSetField)
    .max(100)
    .default([])
    .meta({ description: 'Data sets that it reads, for residency and egress.' }),
  expiry: durationMs('It is stopped so long after it was submitted, whatever it does.').optional(),
}

export const JobSpec = z
  .strictObject({
    kind: z.literal('job').meta({ description: 'What this is.' }),
    ...common,
    nodes: nodes.optional().meta({ description: 'Nodes of one gang: all start or none.', default: 1 }),
    run: Script.optional().meta({
      description: 'Shell commands that do the work, on every node; needed unless each role has its own.',
    }),
    roles: z.array(RoleField).min(1).max(16).optional().meta({
      description: 'Groups of nodes that do different things, such as a leader and its workers; then without `nodes`.',
    }),
  })
  .transform(({ roles, ...job }, context) => {
    const wrong = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message })
    if (!job.run && !roles?.every(({ run }) => run)) wrong(['run'], 'this field is missing; add `run: …` (text)')
    const sum = roles?.reduce((all, role) => all + role.nodes, 0)
    if (sum !== undefined && job.nodes !== undefined) wrong(['nodes'], 'each role says its own; remove it')
    if (sum !== undefined && sum > mostNodes) wrong(['roles'], `they have ${sum} nodes; write ${mostNodes} or less`)
    const { run = '', resources } = job
    const resolved = roles?.map((role): Role => ({
      ...role,
      run: role.run ?? run,
      resources: role.resources ?? resources,
    }))
    return { ...job, run, nodes: sum ?? job.nodes ?? 1, ...(resolved && { roles: resolved }) }
  })
  .meta({ description: 'A gang of nodes that ends.' })

export const ServiceSpec = z
  .strictObject({
    kind: z.literal('service').meta({ description: 'What this is.' }),
    ...common,
    ports: z
      .array(z.int().min(1).max(65_535))
      .min(1)
      .max(16)
      .meta({ description: 'Ports that it serves; the first is checked.' }),
    readiness: ReadinessField.prefault({}).meta({
      description: 'How to know that a replica can serve; of one on several nodes the first is checked.',
    }),
    replicas: ReplicasField.prefault(1).meta({ description: 'Copies: a number, or {min, max}.' }),
  })
  .meta({ description: 'Replicas behind a port.' })

export const ArraySpec = z
  .strictObject({
    kind: z.literal('array').meta({ description: 'What this is.' }),
    ...common,
    tasks: z.int().min(1).max(100_000_000).meta({ description: 'Tasks, numbered from 0 in ISOBAR_TASK_INDEX.' }),
    parallelism: z.int().min(1).max(1_000_000).default(8).meta({ description: 'Tasks that run at the same time.' }),
  })
  .meta({ description: 'Many indexed tasks.' })

/** One document as a person writes it (`z.input`) and, parsed, as the house keeps it (`z.output`): units in names. */
export const Spec = z.discriminatedUnion('kind', [JobSpec, ServiceSpec, ArraySpec])
export type Spec = z.output<typeof Spec>
export type JobSpec = z.output<typeof JobSpec>
export type ServiceSpec = z.output<typeof ServiceSpec>
export type ArraySpec = z.output<typeof ArraySpec>
export type WrittenSpec = z.input<typeof Spec>
