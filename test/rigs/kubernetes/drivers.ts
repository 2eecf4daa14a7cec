import type { ControlPlane } from './control-plane.ts'

// What drivers of devices write at an API server, and what the scheduler then does with it is its own.

const group = '/apis/resource.k8s.io/v1'

/** A class of devices as the installation of a driver makes it. */
export const addDeviceClass = (plane: ControlPlane, name: string, expression: string) =>
  plane.ask('POST', `${group}/deviceclasses`, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'DeviceClass',
    metadata: { name },
    spec: { selectors: [{ cel: { expression } }] },
  })

type Slice = { driver: string; node: string; devices: object[]; generation?: number }

/** What a driver has at a node. */
export const addSlice = (plane: ControlPlane, { driver, node, devices, generation = 1 }: Slice) =>
  plane.ask('POST', `${group}/resourceslices`, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: `${node}-${driver}-${generation}` },
    spec: { driver, nodeName: node, pool: { name: node, generation, resourceSliceCount: 1 }, devices },
  })

/** So many accelerators as NVIDIA's driver tells of them. */
export const gpus = (count: number, productName = 'NVIDIA H100 80GB HBM3'): object[] =>
  Array.from({ length: count }, (_, at) => ({
    name: `gpu-${at}`,
    attributes: { type: { string: 'gpu' }, productName: { string: productName } },
    capacity: { memory: { value: '81559Mi' } },
  }))

export const nvidia = { driver: 'gpu.nvidia.com', class: `device.driver == 'gpu.nvidia.com'` } as const
/** Of each node the first channel, which a pod is given by default. */
export const channels = {
  driver: 'compute-domain.nvidia.com',
  name: 'compute-domain-default-channel.nvidia.com',
  class: `device.driver == 'compute-domain.nvidia.com'`,
  devices: [{ name: 'channel-0', attributes: { type: { string: 'channel' }, id: { int: 0 } } }],
} as const

const domains = 'resource.nvidia.com'

/** Makes the API server serve ComputeDomains, with as much of their schema as counts for who makes one. */
export async function defineComputeDomains(plane: ControlPlane): Promise<void> {
  const text = { type: 'string' }
  const template = { type: 'object', required: ['name'], properties: { name: text } }
  const channel = {
    type: 'object',
    required: ['resourceClaimTemplate'],
    properties: { resourceClaimTemplate: template, allocationMode: { ...text, enum: ['All', 'Single'] } },
  }
  const spec = {
    type: 'object',
    required: ['channel', 'numNodes'],
    properties: { channel, numNodes: { type: 'integer' } },
  }
  const names = { kind: 'ComputeDomain', listKind: 'ComputeDomainList', plural: 'computedomains' }
  const openAPIV3Schema = { type: 'object', properties: { spec } }
  await plane.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `computedomains.${domains}` },
    spec: {
      group: domains,
      names: { ...names, singular: 'computedomain' },
      scope: 'Namespaced',
      versions: [{ name: 'v1beta1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  })
  await plane.waitFor('ComputeDomains', () => plane.ask('GET', `/apis/${domains}/v1beta1/computedomains`))
}

type Domain = {
  metadata: { name: string; uid: string }
  spec: { channel: { resourceClaimTemplate: { name: string } } }
}

export const computeDomainsIn = async (plane: ControlPlane, namespace: string): Promise<Domain[]> =>
  ((await plane.ask('GET', `/apis/${domains}/v1beta1/namespaces/${namespace}/computedomains`)) as { items: Domain[] })
    .items

/** Plays the controller of the driver: a template for claims of channels, as the ComputeDomain asks for it. */
export async function answerComputeDomain(plane: ControlPlane, namespace: string, domain: Domain): Promise<void> {
  const { name, uid } = domain.metadata
  await plane.ask('POST', `${group}/namespaces/${namespace}/resourceclaimtemplates`, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaimTemplate',
    metadata: {
      name: domain.spec.channel.resourceClaimTemplate.name,
      ownerReferences: [{ apiVersion: `${domains}/v1beta1`, kind: 'ComputeDomain', name, uid }],
    },
    spec: { spec: { devices: { requests: [{ name: 'channel', exactly: { deviceClassName: channels.name } }] } } },
  })
}

type Claim = {
  metadata: { name: string }
  status?: { allocation?: { devices: { results: { driver: string; pool: string; device: string }[] } } }
}

/** What the scheduler has given to the claims of a namespace: for each of them `driver pool` of its devices. */
export async function claimedIn(plane: ControlPlane, namespace: string): Promise<string[][]> {
  const { items } = (await plane.ask('GET', `${group}/namespaces/${namespace}/resourceclaims`)) as { items: Claim[] }
  return items.map(({ status }) =>
    (status?.allocation?.devices.results ?? []).map(({ driver, pool }) => `${driver} ${pool}`),
  )
}

type Claimed = { namespace: string; node: string; devices: string[] }

/** A claim of somebody else's, which has a device by name: as the scheduler writes it for a pod. */
export async function claimForOthers(plane: ControlPlane, { namespace, node, devices }: Claimed): Promise<void> {
  const path = `${group}/namespaces/${namespace}/resourceclaims`
  const name = `stranger-${node}`
  const requests = [{ name: 'a', exactly: { deviceClassName: nvidia.driver, count: devices.length } }]
  await plane.ask('POST', path, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name },
    spec: { devices: { requests } },
  })
  const results = devices.map((device) => ({ request: 'a', driver: nvidia.driver, pool: node, device }))
  await plane.ask('PATCH', `${path}/${name}/status`, { status: { allocation: { devices: { results } } } })
}
