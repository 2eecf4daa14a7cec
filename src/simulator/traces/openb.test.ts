import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { gpuMilliOf, inflate, readOpenbNodes, readOpenbPods } from './openb.ts'
import { inputOf } from './input.ts'

const nodes = (...lines: string[]) =>
  readOpenbNodes(inputOf('nodes.csv', ['sn,cpu_milli,memory_mib,gpu,model', ...lines].join('\n')))
const pods = (...lines: string[]) =>
  readOpenbPods(inputOf('pods.csv', ['name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec', ...lines].join('\n')))

test('nodes and pods are read as they stand, and a pod without a GPU asks for none', () => {
  assert.deepEqual(nodes('n0,64000,262144,2,P100', 'n1,32000,1024,0,'), [
    { gpus: 2, model: 'P100', cpuMilli: 64_000, memoryMiB: 262_144 },
    { gpus: 0, model: '', cpuMilli: 32_000, memoryMiB: 1024 },
  ])
  assert.deepEqual(pods('p0,6000,12288,1,460,', 'p1,1,2,0,1000,', 'p2,1,2,8,1000,V100M16|V100M32'), [
    { gpus: 1, milli: 460, cpuMilli: 6000, memoryMiB: 12_288 },
    { gpus: 0, milli: 0, cpuMilli: 1, memoryMiB: 2 },
    { gpus: 8, milli: 1000, cpuMilli: 1, memoryMiB: 2, models: ['V100M16', 'V100M32'] },
  ])
})

test('a list of pods without gpu_spec or the later columns is read too', () => {
  const read = readOpenbPods(inputOf('pods.csv', 'name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,2,1,500\n'))
  assert.deepEqual(read, [{ gpus: 1, milli: 500, cpuMilli: 1, memoryMiB: 2 }])
})

function told(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    return String(error)
  }
  return 'nothing'
}

test('what is wrong is told with its line and column, the cause and the fix', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => pods('p0,1,2,1,1000,', 'p1,many,2,1,1000,'), /pods\.csv:3:4[^]*cpu_milli: "many" is not a whole number/],
    [() => pods('p0,1,2,2,500,'), /pods\.csv:2:10[^]*gpu_milli: 2 GPUs cannot be shared[^]*write 1000/],
    [() => pods('p0,1,2,1,0,'), /pods\.csv:2:10[^]*gpu_milli: is 0[^]*write 1 to 1000/],
    [() => pods('p0,1,2,1,1001,'), /pods\.csv:2:10[^]*"1001" is not a whole number from 0 to 1000/],
    [() => pods('p0,1,2'), /pods\.csv:2:1[^]*this line has 3 cells/],
    [() => nodes('n0,1,2,4,'), /nodes\.csv:2:10[^]*model: is empty/],
    [() => nodes('n0,1,3000000000,4,T4'), /nodes\.csv:2:6[^]*memory_mib/],
    [() => readOpenbNodes(inputOf('nodes.csv', 'sn,cpu_milli\n')), /nodes\.csv:1:1[^]*memory_mib is missing/],
  ]
  for (const [read, expected] of cases) assert.match(told(read), expected)
})

const someSizes = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 })
const podOf = (milli: number, index: number) => ({ gpus: 1, milli, cpuMilli: index, memoryMiB: 0 })

test('arrivals are all pods and some again up to the demand, in an order that the seed alone decides', () => {
  fc.assert(
    fc.property(someSizes, fc.nat(1000), fc.integer({ min: 100, max: 300 }), (sizes, seed, percent) => {
      const list = sizes.map(podOf)
      const asked = list.reduce((sum, pod) => sum + gpuMilliOf(pod), 0)
      const targetMilli = (asked * percent) / 100
      const arrivals = inflate(list, { seed, targetMilli })
      const sum = arrivals.reduce((all, pod) => all + gpuMilliOf(pod), 0)
      assert.ok(sum <= targetMilli && sum > targetMilli - Math.max(...sizes))
      assert.deepEqual(new Set(arrivals.slice(0, list.length)), new Set(list))
      assert.deepEqual(inflate(list, { seed, targetMilli }), arrivals)
    }),
  )
})

test('of pods that ask for more than the demand, some are left out', () => {
  const list = Array.from({ length: 100 }, (_, index) => podOf(500, index))
  const arrivals = inflate(list, { seed: 1, targetMilli: 30_000 })
  assert.equal(arrivals.length, 60)
  assert.equal(new Set(arrivals).size, 60)
  assert.notDeepEqual(inflate(list, { seed: 2, targetMilli: 30_000 }), arrivals)
})
