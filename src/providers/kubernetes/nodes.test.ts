import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Node as NodeSchema } from '#model/site.ts'
import { modelOf, nodesOf } from './nodes.ts'
import { quantity } from './quantity.ts'
import { createRoom } from './room.ts'
import { pathOf } from './topology.ts'
import { KubernetesNode, PodUse } from './wire.ts'

const ready = [{ type: 'Ready', status: 'True' }]
const amounts = { cpu: '127950m', memory: '2113191936Ki', 'ephemeral-storage': '104857600Ki', 'nvidia.com/gpu': '8' }

type Given = {
  labels?: Record<string, string>
  spec?: object
  allocatable?: Record<string, string>
  conditions?: object[]
}

const node = ({ labels = {}, spec = {}, allocatable = amounts, conditions = ready }: Given = {}) =>
  KubernetesNode.parse({ metadata: { name: 'n1', uid: 'u', labels }, spec, status: { allocatable, conditions } })

let uids = 0
const pod = (requests: Record<string, string>, more: { phase?: string; first?: object[] } = {}) =>
  PodUse.parse({
    metadata: { uid: `p${uids++}` },
    spec: { nodeName: 'n1', containers: [{ resources: { requests } }], initContainers: more.first },
    status: { phase: more.phase ?? 'Running' },
  })

const one = (given: Given, others: PodUse[] = [], notices?: string[]) => {
  const room = createRoom()
  others.forEach(room.part().put)
  const [found] = nodesOf({ site: 'east', nodes: [node(given)], room, notices })
  return NodeSchema.parse(found)
}

test('a node is what its labels and its allocatable resources say', () => {
  const labels = {
    'nvidia.com/gpu.product': 'NVIDIA-H100-80GB-HBM3',
    'nvidia.com/gpu.memory': '81559',
    'node.kubernetes.io/instance-type': 'p5.48xlarge',
  }
  assert.deepEqual(one({ labels }), {
    name: 'n1',
    shape: {
      name: '8xH100-p5.48xlarge',
      accelerator: 'H100',
      accelerators: 8,
      acceleratorMemoryMiB: 81_559,
      cpuMilli: 127_950,
      memoryMiB: 2_063_664,
      diskMiB: 102_400,
      sharedMemoryMiB: 2_063_664,
    },
    path: ['n1', 'east'],
    usable: true,
    labels,
  })
})

test('a node that is cordoned or does not answer is not usable', () => {
  assert.equal(one({ spec: { unschedulable: true } }).usable, false)
  assert.equal(one({ conditions: [{ type: 'Ready', status: 'Unknown' }] }).usable, false)
  assert.equal(one({ conditions: [] }).usable, false)
})

const tainted = (key: string) => ({ spec: { taints: [{ key, effect: 'PreferNoSchedule' }] } })

test('a node that is said to go soon is not usable, not even for those who tolerate that', () => {
  assert.equal(one(tainted('karpenter.sh/disrupted')).usable, false)
  assert.equal(one(tainted('example.com/draining')).usable, true)
  assert.equal(one(tainted('example.com/draining'), [], ['example.com/draining']).usable, false)
})

test('taints keep off, but for those that only ask to', () => {
  const taints = [
    { key: 'gpu', value: 'yes', effect: 'NoSchedule' },
    { key: 'drain', effect: 'NoExecute' },
    { key: 'rather-not', effect: 'PreferNoSchedule' },
  ]
  assert.deepEqual(one({ spec: { taints } }).taints, ['gpu=yes:NoSchedule', 'drain:NoExecute'])
})

test('what the pods of others use is told, and not what has ended', () => {
  const pods = [
    pod({ cpu: '500m', memory: '1Gi', 'nvidia.com/gpu': '2' }),
    pod({ cpu: '1' }, { first: [{ resources: { requests: { cpu: '3', memory: '512Mi' } } }] }),
    pod({ cpu: '2' }),
    pod({ cpu: '64' }, { phase: 'Succeeded' }),
  ]
  assert.deepEqual(one({}, pods).foreign, { cpuMilli: 5500, memoryMiB: 1536, diskMiB: 0, accelerators: 2 })
})

const model = (text: string) => modelOf({ 'nvidia.com/gpu.product': text })

test('models of accelerators are told by one name, however a cloud writes them', () => {
  const written = [
    'NVIDIA-H100-80GB-HBM3',
    'nvidia-h200-141gb',
    'A100-SXM4-80GB',
    'NVIDIA-GB200',
    'Tesla-T4',
    'NVIDIA-L40S',
    'h100',
    'B200_NVLINK_180GB',
  ]
  assert.deepEqual(written.map(model), ['H100', 'H200', 'A100', 'GB200', 'T4', 'L40S', 'H100', 'B200'])
  assert.equal(model('Something-New'), 'SOMETHING-NEW')
  assert.equal(modelOf({}), undefined)
})

const stands: [string, Record<string, string>, string[]][] = [
  [
    'Amazon',
    {
      'topology.k8s.aws/network-node-layer-1': 'top',
      'topology.k8s.aws/network-node-layer-2': 'mid',
      'topology.k8s.aws/network-node-layer-3': 'leaf',
    },
    ['n1', 'leaf', 'mid', 'top', 'east'],
  ],
  [
    'Google',
    {
      'cloud.google.com/gce-topology-block': 'b',
      'cloud.google.com/gce-topology-subblock': 's',
      'cloud.google.com/gce-topology-host': 'h',
    },
    ['n1', 's', 'b', 'east'],
  ],
  [
    'Oracle',
    {
      'oci.oraclecloud.com/rdma.local_block_id': 'l',
      'oci.oraclecloud.com/rdma.network_block_id': 'n',
      'oci.oraclecloud.com/rdma.hpc_island_id': 'i',
    },
    ['n1', 'l', 'n', 'i', 'east'],
  ],
  [
    'CoreWeave',
    {
      'node.coreweave.cloud/rack': '16',
      'ds.coreweave.com/nvlink.domain': 'r7',
      'backend.coreweave.cloud/leafgroup': 'lg',
      'backend.coreweave.cloud/fabric': 'f',
    },
    ['r7', 'lg', 'f', 'east'],
  ],
  [
    'CoreWeave without NVLink between nodes: a rack is no domain',
    { 'node.coreweave.cloud/rack': '16', 'ib.coreweave.cloud/leafgroup': 'lg', 'ib.coreweave.cloud/fabric': '' },
    ['n1', 'lg', 'east'],
  ],
  [
    'NVIDIA',
    {
      'nvidia.com/gpu.clique': 'c.1',
      'network.topology.nvidia.com/leaf': 'l',
      'network.topology.nvidia.com/spine': 's',
    },
    ['c.1', 'l', 's', 'east'],
  ],
  [
    'Topograph on Azure',
    {
      'accelerator.topograph.run/domain': 'd',
      'fabric.topograph.run/tier-0': 't0',
      'fabric.topograph.run/tier-1': 't1',
    },
    ['d', 't0', 't1', 'east'],
  ],
  ['nobody', { 'topology.kubernetes.io/zone': 'a' }, ['n1', 'a', 'east']],
]
for (const [whose, labels, path] of stands)
  test(`where a node stands is read from the labels of ${whose}`, () => {
    assert.deepEqual(pathOf({ name: 'n1', labels, site: 'east' }), path)
  })

test('a site may name the labels itself', () => {
  const labels = { rack: 'r1', row: 'w2', 'nvidia.com/gpu.clique': 'c' }
  assert.deepEqual(pathOf({ name: 'n1', labels, site: 'east', own: ['rack', 'row'] }), ['r1', 'w2', 'east'])
})

test('labels that a site names by level are looked at before the known ones, which hold for all others', () => {
  const own = { block: ['rack', 'cabinet'], zone: ['hall'] }
  const pathBy = (labels: Record<string, string>) => pathOf({ name: 'n1', labels, site: 'east', own })
  const known = {
    'nvidia.com/gpu.clique': 'c',
    'topology.k8s.aws/network-node-layer-4': 'l4',
    'topology.k8s.aws/network-node-layer-3': 'l3',
  }
  assert.deepEqual(pathBy({ ...known, cabinet: 'k', hall: 'h' }), ['c', 'k', 'l3', 'h', 'east'])
  assert.deepEqual(pathBy({ ...known, cabinet: 'k', rack: 'r' }), ['c', 'r', 'l3', 'east'])
  assert.deepEqual(pathBy({ ...known, 'topology.kubernetes.io/zone': 'a' }), ['c', 'l4', 'l3', 'a', 'east'])
})

test('amounts are read in all the ways in which Kubernetes writes them', () => {
  const written = ['2', '100m', '1.5', '128974848', '129e6', '129M', '123Mi', '1Ki', '', 'many', undefined]
  assert.deepEqual(written.map(quantity), [2, 0.1, 1.5, 128_974_848, 129e6, 129e6, 128_974_848, 1024, 0, 0, 0])
})
