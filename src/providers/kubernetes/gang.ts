import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import type { AgentFiles } from '#providers/agent-files.ts'
import { commonKind, type Extras, extrasOf, type Kind } from './extras.ts'
import { type Group, nodesOf, type Programmed } from './groups.ts'
import { podSetAnnotations, type Queue, queueMarks } from './kueue.ts'
import { keeperFilesOf, keeperOf, keeperSecretName } from './keeper-in-pod.ts'
import { firstRank, folders, labels, objectName, rankContainer, ranksAnnotation } from './names.ts'
import { inGroup } from './pod-groups.ts'
import { containerSecurity, podSecurity } from './security.ts'
import { servingFields } from './serving.ts'
import { filesOf } from './start-script.ts'

/** What a site adds to each gang. */
export type GangSite = {
  house: string
  namespace: string
  /** For orders that name no image. */
  image: string | undefined
  /** A claim for a volume that all pods can write, for checkpoints. */
  checkpoints: string | undefined
  /** For who keeps checkpoints in an object store. */
  checkpointsImage?: string | undefined
  serviceAccount: string | undefined
  runAsUser?: number | undefined
  queue: Queue | undefined
  /** Whether the scheduler knows gangs, and takes them from us. */
  groups?: boolean
  /** What a node's accelerators are called as a resource, by the name of its shape. */
  acceleratorResource(shape: string): string
  /** What is known of its nodes. */
  kinds?: ReadonlyMap<string, Kind>
  /** Taints of the chosen nodes, as `key=value:effect`: whoever chose them knew that they are tolerated. */
  taints: readonly string[]
}

type Owner = { name: string; uid: string }

/**
 * The Jobs of a gang, one for each group of ranks: a pod for each rank, none of them ever a second time. They are
 * suspended: nothing starts until all that belongs to it is there. A pod that fails takes none of the others along, so
 * that each rank shows its own exit.
 */
export const jobsOf = (site: GangSite, order: Programmed, image: string) =>
  order.groups.map((group) => jobOf(site, order, { group, image }))

type Made = { group: Group; image: string }

function jobOf(site: GangSite, order: Programmed, made: Made) {
  const { group } = made
  const count = group.ranks.length
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: group.name,
      labels: { ...marksOf(site.house, order), [labels.first]: String(group.first), ...queueMarks(site.queue) },
      annotations: { [ranksAnnotation]: String(order.ranks.length) },
    },
    spec: {
      completionMode: 'Indexed',
      completions: count,
      parallelism: count,
      backoffLimitPerIndex: 0,
      maxFailedIndexes: count,
      suspend: true,
      template: templateOf(site, order, made),
    },
  }
}

/** What the pods of a group are made after. */
export function templateOf(site: GangSite, order: Programmed, { group, image }: Made) {
  const name = objectName(order.token)
  const extras = extrasIn(site, order, group)
  const program = order.programs[group.first]
  const user = site.runAsUser
  const keeper = keeperOf(order, { image: site.checkpointsImage, first: group.first, user })
  return {
    metadata: {
      labels: {
        ...marksOf(site.house, order),
        [labels.first]: String(group.first),
        ...(program && takesTasks(program) && { [labels.agent]: 'true' }),
      },
      annotations: podSetAnnotations(site.queue),
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      subdomain: name,
      terminationGracePeriodSeconds: graceSeconds(order.graceMs),
      ...(site.serviceAccount !== undefined && { serviceAccountName: site.serviceAccount }),
      ...podSecurity({ user }),
      ...(site.groups && inGroup(order.token)),
      ...placementOf(site, order, group),
      ...extras.pod,
      ...keeper.pod,
      tolerations: site.taints.map(tolerationOf),
      containers: [
        {
          name: rankContainer,
          image,
          command: ['/bin/sh', `${folders.program}/start`],
          env: [{ name: firstRank, value: String(group.first) }],
          ...resourcesOf(group.ranks[0]?.shape, site, extras),
          ...containerSecurity({ user, locksMemory: extras.locksMemory }),
          ...(program && servingFields(program)),
          volumeMounts: [...mountsOf(site), ...keeper.mounts],
        },
      ],
      volumes: [...volumesOf(site, name, extras), ...keeper.volumes],
    },
  }
}

const mountsOf = ({ checkpoints }: GangSite) => [
  { name: 'program', mountPath: folders.program, readOnly: true },
  { name: 'work', mountPath: folders.root, subPath: 'isobar' },
  { name: 'work', mountPath: folders.work, subPath: 'work' },
  ...(checkpoints === undefined ? [] : [{ name: 'checkpoints', mountPath: folders.checkpoints }]),
  { name: 'shared-memory', mountPath: '/dev/shm' },
]

const volumesOf = ({ checkpoints }: GangSite, secretName: string, { sharedMemory }: Extras) => [
  { name: 'program', secret: { secretName } },
  { name: 'work', emptyDir: {} },
  ...(checkpoints === undefined ? [] : [{ name: 'checkpoints', persistentVolumeClaim: { claimName: checkpoints } }]),
  // Kubernetes gives 64 MB, in which the workers of a data loader do not fit; without a limit it is that of the memory.
  { name: 'shared-memory', emptyDir: { medium: 'Memory', ...sharedMemory } },
]

export function extrasIn({ kinds }: GangSite, { token, ranks }: CredentialedOrder, group: Group): Extras {
  const kind = commonKind(nodesOf(group.row).flatMap((node) => kinds?.get(node) ?? []))
  return extrasOf({ token, group, kind, isApart: nodesOf(ranks).length === ranks.length })
}

/** What the containers start from; it goes with its Job. */
export function secretOf(
  site: GangSite,
  order: Programmed,
  { owner, agent }: { owner: Owner; agent: AgentFiles | null },
) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: holding(ownedBy(owner, site, order)),
    type: 'Opaque',
    immutable: true,
    stringData: filesOf(order, { keeps: site.checkpoints !== undefined, agent }),
  }
}

/** What the keepers of checkpoints start from, beside the ranks; null where there are none. */
export function keeperSecretOf(
  site: GangSite,
  order: Programmed,
  { owner, agent }: { owner: Owner; agent: AgentFiles },
) {
  const stringData = keeperFilesOf(order, agent)
  if (!stringData) return null
  const metadata = { ...holding(ownedBy(owner, site, order)), name: keeperSecretName(order.token) }
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', immutable: true, stringData }
}

/** Gives each rank a name that the others find, before it is ready. It has no address of its own. */
export function serviceOf(site: GangSite, order: CredentialedOrder, owner: Owner) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedBy(owner, site, order),
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, selector: { [labels.token]: order.token } },
  }
}

/** Whether an agent of ours takes tasks in its place. */
export const takesTasks = ({ slots }: Program): boolean => slots > 0

/** Zero would mean not to wait for the kubelet's word that it has ended. */
export const graceSeconds = (graceMs: number): number => Math.max(1, Math.ceil(graceMs / 1000))

const marksOf = (house: string, { token, workload, attempt }: CredentialedOrder): Record<string, string> => ({
  'app.kubernetes.io/managed-by': 'isobar',
  [labels.house]: house,
  [labels.token]: token,
  [labels.workload]: workload,
  [labels.attempt]: String(attempt),
})

export const ownedBy = ({ name, uid }: Owner, { house }: GangSite, order: CredentialedOrder) => ({
  name: objectName(order.token),
  labels: marksOf(house, order),
  ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
})

/**
 * The Job stands until this is gone, which is deleted as soon as the Job is: not for what pods need while they end, as
 * their names.
 */
export const holding = <T extends { ownerReferences: object[] }>(metadata: T): T => ({
  ...metadata,
  ownerReferences: metadata.ownerReferences.map((owner) => ({ ...owner, blockOwnerDeletion: true })),
})

/** All of it guaranteed: what a rank asks for is what it may use. */
function resourcesOf(shape: Shape | undefined, site: GangSite, { claimed, rdma, container }: Extras) {
  const amounts: Record<string, string> = { ...rdma }
  if (!shape) return { resources: { requests: amounts, limits: amounts } }
  if (shape.cpuMilli > 0) amounts['cpu'] = `${shape.cpuMilli}m`
  if (shape.memoryMiB > 0) amounts['memory'] = `${shape.memoryMiB}Mi`
  if (shape.diskMiB > 0) amounts['ephemeral-storage'] = `${shape.diskMiB}Mi`
  if (shape.accelerators > 0 && claimed === undefined)
    amounts[site.acceleratorResource(shape.name)] = String(shape.accelerators)
  return { resources: { requests: amounts, limits: amounts, ...container } }
}

function tolerationOf(taint: string) {
  const [, key = '', value = '', effect = ''] = /^([^=]*)(?:=(.*))?:([^:]*)$/.exec(taint) ?? []
  return { key, operator: 'Equal', value, effect }
}

/**
 * Onto the nodes that were chosen for its group, each rank on one of its own where the gang has as many as ranks. Which
 * rank of a group comes to which of them is the scheduler's choice: all pods of a Job are made after one template. It
 * spreads the pods of a Service over zones and nodes unless they say how, and for that compares each node of the cluster
 * with all of these names, for each pod: so they say how, in a way for which no node is compared with any.
 */
function placementOf(site: GangSite, { ranks, token }: CredentialedOrder, group: Group) {
  const nodes = nodesOf(group.ranks)
  if (nodes.length === 0) return {}
  const apart = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { [labels.token]: token } } },
    ],
  }
  const isApart = nodesOf(ranks).length === ranks.length && ranks.length > 1
  return {
    affinity: {
      nodeAffinity: onNodes(nodes),
      ...(isApart && nodes.some((node) => holdsTwo(site.kinds?.get(node)?.shape, group)) && { podAntiAffinity: apart }),
    },
    topologySpreadConstraints: [
      {
        topologyKey: 'kubernetes.io/hostname',
        labelSelector: { matchLabels: { [labels.token]: token } },
        maxSkew: 1,
        whenUnsatisfiable: 'ScheduleAnyway',
        nodeAffinityPolicy: 'Ignore',
      },
    ],
  }
}

/** A term for each: the name of a node takes one value. */
export const onNodes = (nodes: readonly string[]) => ({
  requiredDuringSchedulingIgnoredDuringExecution: {
    nodeSelectorTerms: nodes.map((node) => ({
      matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
    })),
  },
})

/**
 * Whether two ranks may stand on a node side by side; of one that is not known nobody can say. Where they cannot, it need
 * not be forbidden: to forbid it costs the scheduler a look at all pods that forbid something, for each pod anew.
 */
function holdsTwo(node: Shape | undefined, { ranks: [rank] }: Group): boolean {
  if (!node || !rank) return true
  return (['accelerators', 'cpuMilli', 'memoryMiB'] as const).every((key) => 2 * rank.shape[key] <= node[key])
}
