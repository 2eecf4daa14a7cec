import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'
import { storyOf } from '#simulator/house/draw.ts'
import { allPlanted } from '#simulator/house/invariants/planted.ts'
import { measures } from '#simulator/house/measure.ts'
import { onMemory } from '#simulator/house/on-memory.ts'
import { runStory } from '#simulator/house/run.ts'
import { namedShape } from '#simulator/house/shape.ts'

/** Whether its invariant sees a fault in one of some drawn stories, into all of which it is planted. */
async function isSeenIn(seeds: number[], fault: string): Promise<boolean> {
  const planted = allPlanted.find((one) => one.fault === fault)
  assert.ok(planted)
  for (const seed of seeds) {
    const story = storyOf(seed, { ...measures.story, named: 1, lastsMs: [120_000, 120_000], faults: [4, 4] })
    const { breaches } = await runStory(story, async (clock) => {
      const backing = await onMemory(clock)
      return { ...backing, store: planted.store?.(backing.store) ?? backing.store }
    })
    if (breaches.some(({ invariant }) => invariant === planted.breaks)) return true
  }
  return false
}

test('drawn stories see it when a node is given twice, and when a gang stands elsewhere than it asked', async () => {
  const seeds = Array.from({ length: 20 }, (_, i) => i + 1)
  for (const fault of ['every rank is given the first node', 'the last rank of a gang is given a node of another rack'])
    assert.ok(await isSeenIn(seeds, fault), fault)
})

test('a gang that loses one node keeps the others, and takes its spare in the same rack', async () => {
  const [pool] = aSite('west', 8).pools
  assert.ok(pool)
  const sites = [{ ...aSite('west', 8), pools: [{ ...pool, shape: namedShape }], racks: { nodes: 4, inBlock: 2 } }]
  await using house = await aHouse({ sites, faults: { bootMs: [1_000, 1_000] } })
  const id = await house.submit('big', {
    nodes: 3,
    resources: { accelerators: 'H100:4' },
    topology: { within: 'nvlink', spares: { count: 1, within: 'nvlink' } },
    runMs: 600_000,
  })
  const standing = () =>
    house.cloud
      .gangs('west')
      .filter(({ closed }) => !closed)
      .map(({ seats }) => (seats ?? []).map(({ node = '' }) => node).sort())
  await house.runUntil('it runs', () => house.workload(id).state === 'running')
  const [before = []] = standing()
  const [gone = ''] = before
  house.cloud.changeNode('west', gone, 'down')
  await house.runUntil('it runs again', () => house.attempts(id).length === 2 && house.workload(id).state === 'running')
  const [after = []] = standing()
  assert.equal(after.filter((node) => before.includes(node)).length, 2)
  assert.deepEqual(new Set([...before, ...after]).size, 4)
  assert.ok(!after.includes(gone))
  await house.asked('POST', `/v1/workloads/${id}/stop`)
  await house.toRest()
})
