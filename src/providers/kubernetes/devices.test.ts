import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createDevices, ResourceClaim, ResourceSlice } from './devices.ts'

const gpu = (name: string, more: object = {}) => ({
  name,
  attributes: { type: { string: 'gpu' }, productName: { string: 'NVIDIA H100 80GB HBM3' }, ...more },
  capacity: { memory: { value: '80Gi' } },
})

type Given = { uid?: string; driver?: string; generation?: number; devices: object[] }

const slice = ({ uid = 's', driver = 'gpu.nvidia.com', generation = 1, devices }: Given) =>
  ResourceSlice.parse({
    metadata: { uid },
    spec: { driver, nodeName: 'n1', pool: { name: 'n1', generation }, devices },
  })

const claim = (uid: string, ...devices: string[]) =>
  ResourceClaim.parse({
    metadata: { uid },
    status: {
      allocation: {
        devices: { results: devices.map((device) => ({ driver: 'gpu.nvidia.com', pool: 'n1', device })) },
      },
    },
  })

test('whole accelerators of a node are counted, and those that are claimed, until the claim goes', () => {
  const devices = createDevices()
  const part = gpu('gpu-0-mig-1', { type: { string: 'mig' } })
  devices.slices.put(slice({ devices: [gpu('gpu-0'), gpu('gpu-1'), part] }))
  const taken = claim('c', 'gpu-1', 'gpu-0-mig-1')
  const claims = devices.claims()
  claims.put(taken)
  assert.deepEqual(devices.acceleratorsOf('n1'), {
    deviceClass: 'gpu.nvidia.com',
    product: 'NVIDIA H100 80GB HBM3',
    memoryBytes: 80 * 2 ** 30,
    count: 2,
    taken: 1,
  })
  claims.remove(taken)
  assert.equal(devices.acceleratorsOf('n1')?.taken, 0)
  assert.equal(devices.acceleratorsOf('n2'), null)
})

test('of a pool only the latest generation counts, and what has no known driver is no accelerator', () => {
  const devices = createDevices()
  devices.slices.put(slice({ uid: 'old', devices: [gpu('gpu-0'), gpu('gpu-1')] }))
  devices.slices.put(slice({ uid: 'new', generation: 2, devices: [gpu('gpu-0')] }))
  devices.slices.put(slice({ uid: 'net', driver: 'dra.net', devices: [gpu('eth0')] }))
  assert.deepEqual([devices.acceleratorsOf('n1')?.count, devices.hasChannels('n1')], [1, false])
  devices.slices.put(slice({ uid: 'imex', driver: 'compute-domain.nvidia.com', devices: [{ name: 'channel-0' }] }))
  assert.ok(devices.hasChannels('n1'))
})

test('names of attributes may have the name of their driver before them', () => {
  const devices = createDevices()
  const attributes = { 'gpu.amd.com/type': { string: 'amdgpu' }, 'gpu.amd.com/productName': { string: 'MI300X' } }
  devices.slices.put(slice({ driver: 'gpu.amd.com', devices: [{ name: 'gpu-0', attributes }] }))
  const { deviceClass, product, memoryBytes } = devices.acceleratorsOf('n1') ?? assert.fail()
  assert.deepEqual([deviceClass, product, memoryBytes], ['gpu.amd.com', 'MI300X', 0])
})
