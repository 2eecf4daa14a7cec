import { z } from 'zod'

import { hourlyMicros } from '#model/spec/text.ts'
import { distinctNames, siteFields } from '#providers/declared-site.ts'
import { levelNames } from './topology.ts'
import { placeOrStore, namedStore, placedStore, storeDetails } from '#providers/declared-store.ts'

const { nodes: _, ...fields } = siteFields

const objectNames = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
export const objectName = z.string().regex(objectNames, 'this is no name of an object of Kubernetes')

const label = z.string().min(1).max(317)
const some = z.union([label.transform((one) => [one]), z.array(label).min(1).max(8)]).optional()

/** What is said of a site behind a Kubernetes API, whoever runs it. */
export const clusterFields = {
  ...fields,
  context: z
    .string()
    .max(300)
    .optional()
    .meta({ description: 'Context of the kubeconfig; its current one by default.' }),
  kubeconfig: z
    .string()
    .max(1000)
    .optional()
    .meta({ description: 'Path of the kubeconfig; by default what kubectl would read.' }),
  inCluster: z
    .literal(true)
    .optional()
    .meta({ description: 'The cluster in whose pod the control plane runs, instead of a context.' }),
  namespace: objectName.optional().meta({ description: 'Where its objects are made; by default that of the context.' }),
  image: z.string().max(500).optional().meta({ description: 'Container image for specs that name none.' }),
  checkpoints: placeOrStore(objectNames, 'the name of a PersistentVolumeClaim')
    .optional()
    .meta({
      description:
        'Where checkpoints go: a PersistentVolumeClaim that all pods can write, or an object store that keeps those of jobs.',
      examples: ['s3://my-bucket/checkpoints'],
    }),
  ...storeDetails,
  checkpointsImage: z.string().max(500).optional().meta({
    description: 'Container image with Node 24 that carries checkpoints to an object store; by default node:24-alpine.',
  }),
  serviceAccount: objectName.optional().meta({ description: 'Account that the pods run as.' }),
  runAsUser: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .optional()
    .meta({
      description:
        'Number of the user that programs run as, and of their group. Pods are then as the Pod Security Standard `restricted` wants them; without it they run as their image says.',
      examples: [1000],
    }),
  endpoints: z.enum(['direct', 'forwarded']).optional().meta({
    description:
      'How gateways reach the pods of services: at their addresses, as by default, or through the control plane and the API server, where they stand outside of the network of the pods.',
  }),
  queue: objectName.optional().meta({
    description: 'LocalQueue of Kueue in that namespace, in which its work stands in line for quota.',
  }),
  queuePriority: objectName.optional().meta({ description: 'WorkloadPriorityClass that its work has in that queue.' }),
  queueTopology: z.string().min(1).max(317).optional().meta({
    description: 'Label of nodes by which Kueue keeps a gang together where it can.',
  }),
  topology: z
    .union([
      z.array(label).min(1).max(8),
      z.strictObject({ nvlink: some, block: some, tier2: some, tier3: some, tier4: some, zone: some }),
    ])
    .optional()
    .meta({
      description: `Labels that say where a node stands, beside those of the known clouds: by level (${levelNames.join(', ')}, the tightest first), one label or some. A list, the tightest first, stands instead of all that is known.`,
      examples: [{ block: 'example.com/rack', zone: 'example.com/hall' }],
    }),
  rdma: z
    .array(z.string().min(1).max(317))
    .min(1)
    .max(16)
    .optional()
    .meta({
      description: 'Resources of nodes by which pods have RDMA, beside those of NVIDIA and Amazon.',
      examples: [['example.com/hca']],
    }),
  notices: z
    .array(z.string().min(1).max(317))
    .min(1)
    .max(16)
    .optional()
    .meta({
      description: 'Keys of taints by which a node is said to go soon, beside those of clouds and autoscalers.',
      examples: [['example.com/draining']],
    }),
  prices: z
    .record(z.string().max(200), hourlyMicros('Price of one node for one hour.'))
    .default({})
    .meta({ description: 'Prices of nodes by the names of their shapes, where they differ from `price`.' }),
}

type Claims = {
  inCluster?: true | undefined
  context?: string | undefined
  kubeconfig?: string | undefined
  queue?: string | undefined
  queuePriority?: string | undefined
  queueTopology?: string | undefined
}

/** For `refine`: a site is in one place. */
export const onePlace = [
  ({ inCluster, context, kubeconfig }: Claims) => !inCluster || (context === undefined && kubeconfig === undefined),
  { path: ['inCluster'], message: 'a site is either the cluster around us or a context of a kubeconfig' },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]

/** For `refine`: what is said of a queue is said of one that is named. */
export const namedQueue = [
  ({ queue, queuePriority, queueTopology }: Claims) => queue !== undefined || !(queuePriority ?? queueTopology),
  { path: ['queue'], message: 'only what stands in a queue has a priority or a topology there; name the queue' },
] as const satisfies [unknown, { path: PropertyKey[]; message: string }]

const KubernetesSiteField = z
  .strictObject(clusterFields)
  .refine(...onePlace)
  .refine(...namedQueue)
  .refine(...namedStore)
  .refine(...placedStore)

/** The clusters that sites.yaml declares. */
export const KubernetesConfig = z
  .strictObject({ sites: z.array(KubernetesSiteField).min(1).max(1000) })
  .refine(...distinctNames)
export type KubernetesConfig = z.output<typeof KubernetesConfig>
export type KubernetesSite = KubernetesConfig['sites'][number]
