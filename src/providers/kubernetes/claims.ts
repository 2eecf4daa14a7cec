import type { CredentialedOrder } from '#model/order.ts'
import type { Group } from './groups.ts'
import { objectName } from './names.ts'

// What a pod claims beside its resources: accelerators that no device plug-in counts, and a channel to memory of other nodes.

export const templatesPath = (namespace: string): string =>
  `/apis/resource.k8s.io/v1/namespaces/${namespace}/resourceclaimtemplates`
const domains = 'resource.nvidia.com/v1beta1'
export const domainsPath = (namespace: string): string => `/apis/${domains}/namespaces/${namespace}/computedomains`

/** What the claims of a pod are called in it. */
const names = { accelerators: 'accelerators', imex: 'imex' } as const

/** The template of claims for channels, which the driver makes from a ComputeDomain. */
const channelsOf = (token: string): string => `${objectName(token)}-imex`

/** A claim for each pod of a group, for as many accelerators as it asks for. */
export const templateOf = (group: Group, deviceClassName: string, metadata: { labels: object }) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { ...metadata, name: group.name },
  spec: {
    metadata: { labels: metadata.labels },
    spec: {
      devices: {
        requests: [
          { name: names.accelerators, exactly: { deviceClassName, count: group.ranks[0]?.shape.accelerators ?? 0 } },
        ],
      },
    },
  },
})

/** One for all pods of a gang, which reach each other's memory through it. `numNodes` of 0: it waits for nobody. */
export const computeDomainOf = ({ token }: CredentialedOrder, metadata: object) => ({
  apiVersion: domains,
  kind: 'ComputeDomain',
  metadata,
  spec: { numNodes: 0, channel: { resourceClaimTemplate: { name: channelsOf(token) } } },
})

type Claiming = { token: string; group: Group; claimsAccelerators: boolean; imex: boolean }

/** What the template of a Job says of the claims of its pods, and of their container. */
export function claimsOf({ token, group, claimsAccelerators, imex }: Claiming) {
  const claims = [
    ...(claimsAccelerators ? [{ name: names.accelerators, resourceClaimTemplateName: group.name }] : []),
    ...(imex ? [{ name: names.imex, resourceClaimTemplateName: channelsOf(token) }] : []),
  ]
  if (claims.length === 0) return { pod: {}, container: {} }
  return { pod: { resourceClaims: claims }, container: { claims: claims.map(({ name }) => ({ name })) } }
}
