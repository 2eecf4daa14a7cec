import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'

import { Node } from '#model/site.ts'

import { measureMachine, readGpus, readSlices } from './measure.ts'

test('this machine is a node with something on it', async () => {
  const node = Node.parse((await measureMachine(tmpdir())).node)
  const { cpuMilli, memoryMiB, diskMiB, sharedMemoryMiB } = node.shape
  assert.ok(node.usable && cpuMilli >= 1000 && memoryMiB > 0 && diskMiB > 0)
  if (process.platform === 'linux') assert.ok(sharedMemoryMiB !== undefined && sharedMemoryMiB > 0)
})

test('accelerators are read as the driver prints them', () => {
  const cases: [string, ReturnType<typeof readGpus>][] = [
    ['', { accelerators: 0, acceleratorMemoryMiB: 0 }],
    ['NVIDIA H200, 143771\n', { accelerator: 'H200', accelerators: 1, acceleratorMemoryMiB: 143_771 }],
    [
      'NVIDIA A100-SXM4-80GB, 81920\nNVIDIA A100-SXM4-80GB, 81920\n',
      { accelerator: 'A100', accelerators: 2, acceleratorMemoryMiB: 81_920 },
    ],
    ['NVIDIA H100 80GB HBM3, 81559', { accelerator: 'H100', accelerators: 1, acceleratorMemoryMiB: 81_559 }],
    ['NVIDIA GeForce RTX 4090, 24564', { accelerator: 'RTX-4090', accelerators: 1, acceleratorMemoryMiB: 24_564 }],
    ['Tesla T4, 15360\nNVIDIA L40S, 46068', { accelerator: 'T4', accelerators: 1, acceleratorMemoryMiB: 15_360 }],
  ]
  for (const [csv, expected] of cases) assert.deepEqual(readGpus(csv), expected)
})

test('slices are read from the list of the driver, each with the accelerator that it is of', () => {
  const list = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb+me   Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-0da1c1b2-d33d-2b2c-524d-9e3d8d2b8a78)
`
  assert.deepEqual(readSlices(list), [
    { accelerator: 0, profile: '3g.20gb', uuid: 'MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f' },
    { accelerator: 0, profile: '1g.5gb+me', uuid: 'MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb' },
  ])
  assert.deepEqual(readSlices(''), [])
})
