import type { Shape } from '#model/resources.ts'
import type { Node } from '#model/site.ts'
import type { Devices, NodeAccelerators } from './devices.ts'
import { type Fabric, networksOf, rdmaOf } from './fabric.ts'
import { noticeIn } from './notices.ts'
import { quantity } from './quantity.ts'
import type { Room } from './room.ts'
import { labelsOf, type OwnLabels, pathOf } from './topology.ts'
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
  own?: OwnLabels | undefined
  /** Resources by which pods have RDMA, beside those that are known. */
  rdma?: readonly string[] | undefined
  /** Keys of taints by which a node goes soon, beside those that are known. */
  notices?: readonly string[] | undefined
  /** What drivers tell of by themselves. */
  devices?: Pick<Devices, 'acceleratorsOf' | 'hasChannels'> | undefined
}

/** The nodes of a cluster as they are to be had: what is allocatable, and what the pods of others use of it. */
export function nodesOf({ site, nodes, room, own, rdma, notices, devices }: Cluster): Node[] {
  return nodes.map(({ metadata, spec, status }) => {
    const { name, labels } = metadata
    const resource = acceleratorResourceOf(status.allocatable)
    const claimed = claimedAt({ name, allocatable: status.allocatable, devices })
    const taken = room.takenOf(name, resource)
    const foreign = claimed ? { ...taken, accelerators: claimed.taken } : taken
    const networks = networksOf(fabricAt({ name, labels, allocatable: status.allocatable }, { own, rdma, devices }))
    const taints = spec.taints.filter(({ effect }) => effect !== 'PreferNoSchedule').map(taintText)
    return {
      name,
      shape: {
        ...shapeOf(labels, status.allocatable, claimed ?? resource),
        ...(networks.length > 0 && { network: networks }),
      },
      path: pathOf({ name, labels, site, own }),
      // Whoever tolerates its taint would have to leave at once.
      usable: spec.unschedulable !== true && isReady(status.conditions) && !noticeIn(spec.taints, notices),
      labels,
      ...(taints.length > 0 && { taints }),
      ...(Object.values(foreign).some((amount) => amount > 0) && { foreign }),
    }
  })
}

type Told = { name: string; labels: Record<string, string>; allocatable: Record<string, string> }

/** What connects a node. Pods reach memory of other nodes through channels, inside an accelerator domain that labels tell. */
export const fabricAt = (
  { name, labels, allocatable }: Told,
  { own, rdma, devices }: Pick<Cluster, 'own' | 'rdma' | 'devices'>,
): Fabric => ({
  rdma: rdmaOf(allocatable, rdma),
  imex: devices?.hasChannels(name) === true && labelsOf(labels, own)[0] !== undefined,
})

/** Accelerators of a node that are claimed: of one where no device plug-in counts any. */
export const claimedAt = ({ name, allocatable, devices }: Omit<Told, 'labels'> & Pick<Cluster, 'devices'>) =>
  hasPlugIn(allocatable) ? null : (devices?.acceleratorsOf(name) ?? null)

const hasPlugIn = (allocatable: Record<string, string>): boolean =>
  acceleratorResources.some((resource) => quantity(allocatable[resource]) > 0)

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

type Labels = Record<string, string>

function shapeOf(labels: Labels, allocatable: Labels, from: string | NodeAccelerators): Shape {
  const claimed = typeof from === 'string' ? null : from
  const accelerators = claimed?.count ?? Math.floor(quantity(allocatable[String(from)]))
  const cpuMilli = Math.floor(quantity(allocatable['cpu']) * 1000)
  const memoryMiB = Math.floor(quantity(allocatable['memory']) / mebibyte)
  const model = claimed?.product ? modelNamed(claimed.product) : accelerators > 0 ? modelOf(labels) : undefined
  const type = labels['node.kubernetes.io/instance-type'] ?? ''
  const parts = [
    ...(accelerators > 0 ? [`${accelerators}x${model ?? 'accelerator'}`] : []),
    ...(type === '' ? [`${Math.round(cpuMilli / 1000)}cpu`, `${Math.round(memoryMiB / 1024)}GB`] : [type]),
  ]
  return {
    name: parts.join('-'),
    ...(model !== undefined && { accelerator: model }),
    accelerators,
    acceleratorMemoryMiB: claimed
      ? Math.floor(claimed.memoryBytes / mebibyte)
      : Math.floor(model === undefined ? 0 : quantity(labels['nvidia.com/gpu.memory'])),
    cpuMilli,
    memoryMiB,
    sharedMemoryMiB: memoryMiB,
    diskMiB: Math.floor(quantity(allocatable['ephemeral-storage']) / mebibyte),
  }
}

/** `NVIDIA-H100-80GB-HBM3`, `nvidia-h100-80gb` and `H100_NVLINK_80GB` are all H100. */
export function modelOf(labels: Record<string, string>): string | undefined {
  const text = modelLabels.map((label) => labels[label]).find((value) => value !== undefined && value !== '')
  return text === undefined ? undefined : modelNamed(text)
}

function modelNamed(text: string): string {
  const [known] =
    /\b(GB\d{3}|GH\d{3}|B\d{3}|H\d{2,3}|A\d{2,3}G?|L\d{1,2}S?|T4|V100|P100|MI\d{3}X?|TPU.*)\b/i.exec(
      text.replaceAll(/[_-]/g, ' '),
    ) ?? []
  return (known ?? text).replaceAll(' ', '-').toUpperCase()
}
