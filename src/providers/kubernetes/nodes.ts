import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import { labels as ourLabels } from './names.ts'
import { quantity } from './quantity.ts'
import { pathOf } from './topology.ts'
import type { KubernetesNode, PodUse } from './wire.ts'

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
  house: string
  nodes: readonly KubernetesNode[]
  pods: readonly PodUse[]
  own?: readonly string[] | undefined
}

/** The nodes of a cluster as they are to be had: what is allocatable, and what the pods of others use of it. */
export function nodesOf({ site, house, nodes, pods, own }: Cluster): Node[] {
  const others = Map.groupBy(
    pods.filter(({ metadata }) => metadata.labels[ourLabels.house] !== house),
    ({ spec }) => spec.nodeName ?? '',
  )
  return nodes.map(({ metadata, spec, status }) => {
    const { name, labels } = metadata
    const resource = acceleratorResourceOf(status.allocatable)
    const foreign = usedBy(others.get(name) ?? [], resource)
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

type Amounts = { cpuMilli: number; memoryMiB: number; diskMiB: number; accelerators: number }

/** What the scheduler counts as used: what containers ask for, or one of those that run before them, if that is more. */
function usedBy(pods: readonly PodUse[], resource: string): Amounts {
  const sum: Amounts = { cpuMilli: 0, memoryMiB: 0, diskMiB: 0, accelerators: 0 }
  for (const { spec, status } of pods) {
    if (status.phase === 'Succeeded' || status.phase === 'Failed') continue
    const first = spec.initContainers
      .filter(({ restartPolicy }) => restartPolicy !== 'Always')
      .map((one) => asked(one, resource))
    const all = [
      ...spec.containers,
      ...spec.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ].map((one) => asked(one, resource))
    for (const what of ['cpuMilli', 'memoryMiB', 'diskMiB', 'accelerators'] as const) {
      const together = all.reduce((total, one) => total + one[what], 0)
      sum[what] += Math.max(together, ...first.map((one) => one[what]))
    }
  }
  return {
    cpuMilli: Math.ceil(sum.cpuMilli),
    memoryMiB: Math.ceil(sum.memoryMiB),
    diskMiB: Math.ceil(sum.diskMiB),
    accelerators: Math.ceil(sum.accelerators),
  }
}

function asked({ resources }: PodUse['spec']['containers'][number], resource: string): Amounts {
  const { requests } = resources
  return {
    cpuMilli: quantity(requests['cpu']) * 1000,
    memoryMiB: quantity(requests['memory']) / mebibyte,
    diskMiB: quantity(requests['ephemeral-storage']) / mebibyte,
    accelerators: quantity(requests[resource]),
  }
}
