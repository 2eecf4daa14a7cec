import { poolRights } from '#providers/coreweave/examine.ts'
import { addNodes } from './cluster.ts'
import type { ControlPlane } from './control-plane.ts'
import { serve } from './definitions.ts'

// What a cluster of CoreWeave has beside any other, as its documentation says it: labels of nodes, and NodePools. The API
// server checks their objects; no controller acts on them, that is the test's part.

const pools = '/apis/compute.coreweave.com/v1alpha1/nodepools'
export const rackNodes = 18

const count = { type: 'integer', minimum: 0 }
const text = { type: 'string' }

/** After docs.coreweave.com, "Node Pool reference", as of 2026; what is not told there of types is left open. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'nodepools.compute.coreweave.com' },
  spec: {
    group: 'compute.coreweave.com',
    scope: 'Cluster',
    names: { kind: 'NodePool', listKind: 'NodePoolList', plural: 'nodepools', singular: 'nodepool' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['instanceType'],
                'x-kubernetes-validations': [
                  {
                    rule: 'has(self.targetNodes) != has(self.targetRacks)',
                    message: 'exactly one of targetNodes and targetRacks must be provided',
                  },
                ],
                properties: {
                  computeClass: { type: 'string', enum: ['default', 'spot'], default: 'default' },
                  instanceType: {
                    type: 'string',
                    'x-kubernetes-validations': [
                      { rule: 'self == oldSelf', message: 'InstanceType cannot be changed' },
                    ],
                  },
                  targetNodes: count,
                  targetRacks: count,
                  minNodes: count,
                  maxNodes: count,
                  autoscaling: { type: 'boolean', default: false },
                  nodeLabels: { type: 'object', additionalProperties: text },
                  lifecycle: {
                    type: 'object',
                    properties: { scaleDownStrategy: { type: 'string', enum: ['IdleOnly', 'PreferIdle'] } },
                  },
                },
              },
              status: {
                type: 'object',
                properties: {
                  currentNodes: count,
                  queuedNodes: count,
                  inProgress: count,
                  conditions: {
                    type: 'array',
                    items: {
                      type: 'object',
                      required: ['type', 'status'],
                      properties: {
                        type: text,
                        status: text,
                        reason: text,
                        message: text,
                        lastTransitionTime: { type: 'string', format: 'date-time' },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
}

/** Makes the API server serve NodePools. */
export const definePools = (plane: ControlPlane): Promise<void> => serve(plane, definition)

export type WirePool = {
  metadata: { name: string; resourceVersion: string; annotations?: Record<string, string> }
  spec: { targetNodes?: number; targetRacks?: number }
}

export type PoolStatus = {
  currentNodes?: number
  queuedNodes?: number
  conditions?: { type: string; status: string; reason: string; message?: string }[]
}

export async function addPool(
  plane: ControlPlane,
  { name, spec, status = {} }: { name: string; spec: object; status?: PoolStatus },
): Promise<void> {
  const head = { apiVersion: 'compute.coreweave.com/v1alpha1', kind: 'NodePool' }
  await plane.ask('POST', pools, { ...head, metadata: { name }, spec })
  await sayOfPool(plane, name, status)
}

/** What CoreWeave says of a pool. */
export const sayOfPool = (plane: ControlPlane, name: string, status: PoolStatus): Promise<unknown> =>
  plane.ask('PATCH', `${pools}/${name}/status`, { status })

export const changePool = (plane: ControlPlane, name: string, body: object): Promise<unknown> =>
  plane.ask('PATCH', `${pools}/${name}`, body)

export const removePool = (plane: ControlPlane, name: string): Promise<unknown> =>
  plane.ask('DELETE', `${pools}/${name}`)

export const poolAt = async (plane: ControlPlane, name: string): Promise<WirePool> =>
  (await plane.ask('GET', `${pools}/${name}`)) as WirePool

/** Lets the account of a namespace do with NodePools what the product asks for. */
export async function grantPools(
  plane: ControlPlane,
  { namespace, account = 'isobar', scales = true }: { namespace: string; account?: string; scales?: boolean },
): Promise<void> {
  const group = 'rbac.authorization.k8s.io'
  const metadata = { name: `pools-${namespace}` }
  const rules = poolRights({ pools: scales ? { any: { most: 1 } } : {} })
  await plane.ask('POST', `/apis/${group}/v1/clusterroles`, { metadata, rules })
  await plane.ask('POST', `/apis/${group}/v1/clusterrolebindings`, {
    metadata,
    subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: metadata.name },
  })
}

/** A rack of 18 nodes with four GB200 each. */
export function addRack(plane: ControlPlane, rack: string, { pool = 'gb200', leafgroup = '1' } = {}): Promise<void> {
  const names = Array.from({ length: rackNodes }, (_, at) => `${rack}-${String(at).padStart(2, '0')}`)
  return addNodes(
    plane,
    names.map((name) => ({
      name,
      has: { cpu: '144', memory: '960Gi', 'nvidia.com/gpu': '4' },
      labels: {
        'nvidia.com/gpu.product': 'NVIDIA-GB200',
        'node.kubernetes.io/instance-type': 'gb200-4x',
        'compute.coreweave.com/node-pool': pool,
        'node.coreweave.cloud/rack': rack,
        'ds.coreweave.com/nvlink.domain': `${rack.toUpperCase()}-US-EAST-02A`,
        'backend.coreweave.cloud/flavor': 'infiniband',
        'backend.coreweave.cloud/leafgroup': leafgroup,
        'backend.coreweave.cloud/superpod': '1',
        'backend.coreweave.cloud/fabric': 'us-east-02a-fabric-1',
        'topology.kubernetes.io/region': 'US-EAST-02',
        'topology.kubernetes.io/zone': 'US-EAST-02A',
      },
    })),
  )
}
