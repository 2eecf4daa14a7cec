import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'

import { Node } from '#model/site.ts'

import { measureMachine, readGpus } from './measure.ts'

test('this machine is a node with something on it', async () => {
  const node = Node.parse(await measureMachine(tmpdir()))
  const { cpuMilli, memoryMiB, diskMiB } = node.shape
  assert.ok(node.usable && cpuMilli >= 1000 && memoryMiB > 0 && diskMiB > 0)
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
