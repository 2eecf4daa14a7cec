import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { quantity } from './quantity.ts'
import type { Room } from './room.ts'
import { pathOf } from './topology.ts'
import type { KubernetesNode } from './wire.ts'

/** What the device plug-ins of makers call their accelerators. */
const acceleratorResources = [
  'nvidia.com/gpu',
  'amd.com/gpu',
  'google.com/tpu',
  'aws.amazon.com/neuron',
  'habana.ai/gaudi',
]

/** Labels that name the model of a node's accelerators. */
const modelLabels = [
  'nvidia.com/gpu.product',
  'gpu.nvidia.com/model',
  'gpu.nvidia.com/class',
  'cloud.google.com/gke-accelerator',
  'cloud.google.com/gke-tpu-accelerator',
  'karpenter.k8s.aws/instance-gpu-name',
  'k8s.amazonaws.com/accelerator',
  'amd.com/gpu.product-name',
]

const mebibyte = 2 ** 20

export type Cluster = {
  site: string
  nodes: readonly KubernetesNode[]
  /** What the pods of others take of them. */
  room: Pick<Room, 'takenOf'>
  own?: readonly string[] | undefined
}

/** The nodes of a cluster as they are to be had: what is allocatable, and what the pods of others use of it. */
export function nodesOf({ site, nodes, room, own }: Cluster): Node[] {
  return nodes.map(({ metadata, spec, status }) => {
    const { name, labels } = metadata
    const resource = acceleratorResourceOf(status.allocatable)
    const foreign = room.takenOf(name, resource)
    const taints = spec.taints.filter(({ effect }) => effect !== 'PreferNoSchedule').map(taintText)
    return {
      name,
      shape: shapeOf(labels, status.allocatable, resource),
      path: pathOf({ name, labels, site, own }),
      usable: spec.unschedulable !== true && isReady(status.conditions),
      labels,
      ...(taints.length > 0 && { taints }),
      ...(Object.values(foreign).some((amount) => amount > 0) && { foreign }),
    }
  })
}

/** The name of a node's accelerators as a resource; of one without, that of nearly all. */
export const acceleratorResourceOf = (allocatable: Record<string, string>): string =>
  acceleratorResources.find((resource) => quantity(allocatable[resource]) > 0) ?? 'nvidia.com/gpu'

const isReady = (conditions: readonly { type: string; status: string }[]): boolean =>
  conditions.some(({ type, status }) => type === 'Ready' && status === 'True')

const taintText = ({
  key,
  value,
  effect,
}: {
  key: string
  value?: string | null | undefined
  effect: string
}): string => `${key}${value == null || value === '' ? '' : `=${value}`}:${effect}`

function shapeOf(labels: Record<string, string>, allocatable: Record<string, string>, resource: string): Shape {
  const accelerators = Math.floor(quantity(allocatable[resource]))
  const cpuMilli = Math.floor(quantity(allocatable['cpu']) * 1000)
  const memoryMiB = Math.floor(quantity(allocatable['memory']) / mebibyte)
  const model = accelerators > 0 ? modelOf(labels) : undefined
  const type = labels['node.kubernetes.io/instance-type'] ?? ''
  const parts = [
    ...(accelerators > 0 ? [`${accelerators}x${model ?? 'accelerator'}`] : []),
    ...(type === '' ? [`${Math.round(cpuMilli / 1000)}cpu`, `${Math.round(memoryMiB / 1024)}GB`] : [type]),
  ]
  return {
    name: parts.join('-'),
    ...(model !== undefined && { accelerator: model }),
    accelerators,
    acceleratorMemoryMiB: model === undefined ? 0 : Math.floor(quantity(labels['nvidia.com/gpu.memory'])),
    cpuMilli,
    memoryMiB,
    diskMiB: Math.floor(quantity(allocatable['ephemeral-storage']) / mebibyte),
  }
}

/** `NVIDIA-H100-80GB-HBM3`, `nvidia-h100-80gb` and `H100_NVLINK_80GB` are all H100. */
export function modelOf(labels: Record<string, string>): string | undefined {
  const text = modelLabels.map((label) => labels[label]).find((value) => value !== undefined && value !== '')
  if (text === undefined) return undefined
  const [known] =
    /\b(GB\d{3}|GH\d{3}|B\d{3}|H\d{2,3}|A\d{2,3}G?|L\d{1,2}S?|T4|V100|P100|MI\d{3}X?|TPU.*)\b/i.exec(
      text.replaceAll(/[_-]/g, ' '),
    ) ?? []
  return (known ?? text).replaceAll(' ', '-').toUpperCase()
}
