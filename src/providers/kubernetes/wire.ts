import { z } from 'zod'

// What we read of the objects of Kubernetes; all else in them is left alone.

const text = z.string().nullish()
const pairs = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {})

const Metadata = z.object({
  name: z.string(),
  uid: z.string(),
  labels: pairs,
  annotations: pairs,
  creationTimestamp: text,
  deletionTimestamp: text,
  finalizers: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
})

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: text,
  message: text,
  lastTransitionTime: text,
})
const conditions = z
  .array(Condition)
  .nullish()
  .transform((value) => value ?? [])

/** Any object, as far as all are alike. */
export const Named = z.object({ metadata: Metadata })

export const Job = z.object({
  metadata: Metadata,
  spec: z.object({ completions: z.int().nullish(), parallelism: z.int().nullish(), suspend: z.boolean().nullish() }),
  status: z
    .object({ completedIndexes: text, failedIndexes: text, completionTime: text, conditions })
    .partial()
    .nullish()
    .transform((value) => value ?? {}),
})
export type Job = z.output<typeof Job>

const ContainerState = z.object({
  running: z.object({ startedAt: text }).nullish(),
  waiting: z.object({ reason: text, message: text }).nullish(),
  terminated: z.object({ exitCode: z.int(), reason: text, message: text, startedAt: text, finishedAt: text }).nullish(),
})

export const Pod = z.object({
  metadata: Metadata,
  spec: z.object({
    nodeName: text,
    containers: z
      .array(z.object({ name: z.string(), ports: z.array(z.object({ containerPort: z.int() })).nullish() }))
      .nullish()
      .transform((value) => value ?? []),
  }),
  status: z
    .object({
      phase: text,
      podIP: text,
      reason: text,
      message: text,
      conditions,
      containerStatuses: z.array(z.object({ name: z.string(), state: ContainerState.nullish() })).nullish(),
    })
    .nullish(),
})
export type Pod = z.output<typeof Pod>

const ListMeta = z.object({ resourceVersion: text, continue: text })

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({
    metadata: ListMeta,
    items: z
      .array(item)
      .nullish()
      .transform((items) => items ?? []),
  })

const Taint = z.object({ key: z.string(), value: text, effect: z.string(), timeAdded: text })

export const KubernetesNode = z.object({
  metadata: Metadata,
  spec: z.object({
    unschedulable: z.boolean().nullish(),
    taints: z
      .array(Taint)
      .nullish()
      .transform((value) => value ?? []),
  }),
  status: z.object({ allocatable: pairs, conditions }),
})
export type KubernetesNode = z.output<typeof KubernetesNode>

const Requests = z
  .object({ requests: pairs })
  .nullish()
  .transform((value) => value ?? { requests: {} })
const containers = z
  .array(z.object({ restartPolicy: text, resources: Requests }))
  .nullish()
  .transform((value) => value ?? [])

/** A pod as far as it takes room on a node. */
export const PodUse = z.object({
  metadata: z.object({ uid: z.string() }),
  spec: z.object({ nodeName: text, containers, initContainers: containers }),
  status: z.object({ phase: text }),
})
export type PodUse = z.output<typeof PodUse>

/** A line of a watch. What it is about is read by whoever knows what that is. */
export const WatchLine = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
})

/** As far as every object, and each bookmark, has it. */
export const Versioned = z.object({ metadata: z.object({ resourceVersion: z.string() }) })
