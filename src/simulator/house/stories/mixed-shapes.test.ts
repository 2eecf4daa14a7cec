import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'
import { namedShape, roomyShape } from '#simulator/house/shape.ts'

const plain = aSite('west', 4)
const sites = [
  {
    ...plain,
    pools: [
      { tier: 'on-demand' as const, shape: namedShape, priceMicros: 3_000_000, nodes: 4 },
      { tier: 'on-demand' as const, shape: roomyShape, priceMicros: 500_000, nodes: 3, divisible: true as const },
    ],
    racks: { nodes: 4, inBlock: 2 },
  },
]
const gang = {
  resources: { accelerators: 'H100:4' },
  roles: [
    { name: 'lead', resources: { cpus: 2, memory: '32GB' } },
    { name: 'work', nodes: 2 },
  ],
}

// Half of the memory of a node for the leader, and two whole nodes.
const at = (leader: string) => ({
  on: [`sim-roomy ${leader}`, 'sim-4-h100 n0-0', 'sim-4-h100 n0-1'],
  priceMicros: 6_250_000,
})

test('a leader stands on a node of another shape than its workers, is billed at its price, and comes back to one', async () => {
  await using house = await aHouse({ sites, faults: { bootMs: [1_000, 1_000] } })
  const id = await house.submit('mixed', { ...gang, runMs: 600_000 })
  const standing = () =>
    house.cloud
      .gangs('west')
      .filter(({ closed }) => !closed)
      .map(({ seats, priceMicros }) => ({
        on: seats?.map(({ node, shape: { name } }) => `${name} ${node}`),
        priceMicros,
      }))
  await house.runUntil('it runs', () => house.workload(id).state === 'running')
  assert.deepEqual(standing(), [at('n1-0')])
  assert.deepEqual(house.cloud.used('west'), [2, 1])
  house.cloud.changeNode('west', 'n1-0', 'down')
  await house.runUntil('it runs again', () => house.attempts(id).length === 2 && house.workload(id).state === 'running')
  assert.deepEqual(standing(), [at('n1-1')])
  const lease = [...house.tables().leases.values()].find(({ state }) => state === 'held')
  assert.deepEqual(
    lease?.ranks.map((rank) => rank.shape ?? lease.shape),
    ['sim-roomy', 'sim-4-h100', 'sim-4-h100'],
  )
  await house.asked('POST', `/v1/workloads/${id}/stop`)
  await house.toRest()
})

test('a gang of two shapes waits whole for the one that is full, and starts when that is free', async () => {
  await using house = await aHouse({ sites, faults: { bootMs: [1_000, 1_000] } })
  const holders = await house.submitAll(['a', 'b', 'c'], { resources: { cpus: 4, memory: '64GB' }, runMs: 60_000 })
  await house.runUntil('they run', () => holders.every((one) => house.workload(one).state === 'running'))
  const id = await house.submit('mixed', { ...gang, runMs: 30_000 })
  await house.runFor(30_000)
  assert.equal(house.workload(id).state, 'queued')
  assert.match(house.workload(id).reason, /\(2 of sim-4-h100, 1 of sim-roomy\); 2 are free/)
  assert.deepEqual(house.cloud.used('west'), [0, 3])
  await house.runUntil('it has ended', () => house.workload(id).state === 'succeeded')
  await house.toRest()
})
