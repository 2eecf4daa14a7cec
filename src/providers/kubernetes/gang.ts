import type { Program } from '#model/agent-protocol.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Shape } from '#model/resources.ts'
import { labels, objectName, rankContainer, ranksAnnotation } from './names.ts'
import { filesOf, folders } from './start-script.ts'

/** What a site adds to each gang. */
export type GangSite = {
  house: string
  namespace: string
  /** For orders that name no image. */
  image: string | undefined
  /** A claim for a volume that all pods can write, for checkpoints. */
  checkpoints: string | undefined
  serviceAccount: string | undefined
  /** What a node's accelerators are called as a resource, by the name of its shape. */
  acceleratorResource(shape: string): string
  /** Taints of the chosen nodes, as `key=value:effect`: whoever chose them knew that they are tolerated. */
  taints: readonly string[]
}

/** An order that says what its ranks do. */
export type Programmed = CredentialedOrder & { programs: readonly Program[] }

type Owner = { name: string; uid: string }

/**
 * The Job of a gang: a pod for each rank, none of them ever a second time. It is suspended: nothing starts until all that
 * belongs to it is there. A pod that fails takes none of the others along, so that each rank shows its own exit.
 */
export function jobOf(site: GangSite, order: CredentialedOrder, image: string) {
  const name = objectName(order.token)
  const marks = marksOf(site.house, order)
  const [first] = order.ranks
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: marks, annotations: { [ranksAnnotation]: String(order.ranks.length) } },
    spec: {
      completionMode: 'Indexed',
      completions: order.ranks.length,
      parallelism: order.ranks.length,
      backoffLimitPerIndex: 0,
      maxFailedIndexes: order.ranks.length,
      suspend: true,
      template: {
        metadata: { labels: marks },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          subdomain: name,
          terminationGracePeriodSeconds: graceSeconds(order.graceMs),
          ...(site.serviceAccount !== undefined && { serviceAccountName: site.serviceAccount }),
          ...placementOf(order),
          tolerations: site.taints.map(tolerationOf),
          containers: [
            {
              name: rankContainer,
              image,
              command: ['/bin/sh', `${folders.program}/start`],
              resources: resourcesOf(first?.shape, site),
              volumeMounts: [
                { name: 'program', mountPath: folders.program, readOnly: true },
                { name: 'work', mountPath: '/isobar', subPath: 'isobar' },
                { name: 'work', mountPath: folders.work, subPath: 'work' },
                ...(site.checkpoints === undefined ? [] : [{ name: 'checkpoints', mountPath: folders.checkpoints }]),
                ...(hasAccelerators(order) ? [{ name: 'shared-memory', mountPath: '/dev/shm' }] : []),
              ],
            },
          ],
          volumes: [
            { name: 'program', secret: { secretName: name } },
            { name: 'work', emptyDir: {} },
            ...(site.checkpoints === undefined
              ? []
              : [{ name: 'checkpoints', persistentVolumeClaim: { claimName: site.checkpoints } }]),
            // Kubernetes gives 64 MB, in which the workers of a data loader do not fit.
            ...(hasAccelerators(order) ? [{ name: 'shared-memory', emptyDir: { medium: 'Memory' } }] : []),
          ],
        },
      },
    },
  }
}

/** What the containers start from; it goes with its Job. */
export function secretOf(site: GangSite, order: Programmed, owner: Owner) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedBy(owner, site, order),
    type: 'Opaque',
    immutable: true,
    stringData: filesOf(order, order.programs, site.checkpoints !== undefined),
  }
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

/** Zero would mean not to wait for the kubelet's word that it has ended. */
export const graceSeconds = (graceMs: number): number => Math.max(1, Math.ceil(graceMs / 1000))

const marksOf = (house: string, { token, workload, attempt }: CredentialedOrder): Record<string, string> => ({
  'app.kubernetes.io/managed-by': 'isobar',
  [labels.house]: house,
  [labels.token]: token,
  [labels.workload]: workload,
  [labels.attempt]: String(attempt),
})

const ownedBy = ({ name, uid }: Owner, { house }: GangSite, order: CredentialedOrder) => ({
  name: objectName(order.token),
  labels: marksOf(house, order),
  ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid }],
})

const hasAccelerators = ({ ranks }: CredentialedOrder): boolean => (ranks[0]?.shape.accelerators ?? 0) > 0

/** All of it guaranteed: what a rank asks for is what it may use. */
function resourcesOf(shape: Shape | undefined, site: GangSite) {
  if (!shape) return {}
  const amounts: Record<string, string> = {}
  if (shape.cpuMilli > 0) amounts['cpu'] = `${shape.cpuMilli}m`
  if (shape.memoryMiB > 0) amounts['memory'] = `${shape.memoryMiB}Mi`
  if (shape.diskMiB > 0) amounts['ephemeral-storage'] = `${shape.diskMiB}Mi`
  if (shape.accelerators > 0) amounts[site.acceleratorResource(shape.name)] = String(shape.accelerators)
  return { requests: amounts, limits: amounts }
}

function tolerationOf(taint: string) {
  const [, key = '', value = '', effect = ''] = /^([^=]*)(?:=(.*))?:([^:]*)$/.exec(taint) ?? []
  return { key, operator: 'Equal', value, effect }
}

/**
 * Onto the nodes that were chosen, each rank on one of its own where they are as many as ranks. Which rank comes to which
 * of them is the scheduler's choice: all pods of a Job are made after one template.
 */
function placementOf({ ranks, token }: CredentialedOrder) {
  const nodes = [...new Set(ranks.flatMap(({ node }) => (node === undefined ? [] : [node])))]
  if (nodes.length === 0) return {}
  const terms = nodes.map((node) => ({ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }))
  const apart = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { [labels.token]: token } } },
    ],
  }
  return {
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
      ...(nodes.length === ranks.length && ranks.length > 1 && { podAntiAffinity: apart }),
    },
  }
}
