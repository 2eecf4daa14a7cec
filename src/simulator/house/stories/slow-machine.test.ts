import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'

/** A machine that does one thing after the other: so much longer takes an order for each other one that is under way. */
const slowMachine = (name: string, nodes: number) => ({ ...aSite(name, nodes, 1_000), faults: { crowdMs: 300 } })

const at = (site: string) => ({ placement: { sites: [site] }, runMs: 300_000 })

test('many orders at a slow machine are begun as it can take them, and none is given up', async () => {
  await using house = await aHouse({ sites: [slowMachine('west', 200), aSite('east', 200, 9_000)], lookMs: 10_000 })
  const names = Array.from({ length: 60 }, (_, i) => `job-${i}`)
  const ids = await house.submitAll(names, { runMs: 300_000 })
  await house.runUntil('all run', () => ids.every((id) => house.workload(id).state === 'running'), 90_000)
  for (const id of ids)
    assert.deepEqual(
      house.attempts(id).map(({ state }) => state),
      ['running'],
    )
  const tries = [...house.tables().operations.values()].filter(({ kind }) => kind === 'launch').map((one) => one.tries)
  assert.deepEqual(new Set(tries), new Set([1]))
  assert.equal(house.cloud.gangs('west').length, 60)
  assert.equal(house.tables().sites.get('simulated/west')?.reach, 'reachable')
})

test('a site that is slow holds nobody back elsewhere', async () => {
  await using house = await aHouse({ sites: [slowMachine('west', 200), aSite('east', 200, 9_000)], lookMs: 200 })
  await house.submitAll(
    Array.from({ length: 120 }, (_, i) => `slow-${i}`),
    at('simulated/west'),
  )
  for (let i = 0; i < 5; i++) {
    await house.runFor(2_000)
    const id = await house.submit(`quick-${i}`, at('simulated/east'))
    const began = house.clock.now()
    await house.runUntil('it is ordered', () => house.cloud.gangs('east').length === i + 1, 5_000)
    assert.ok(house.clock.now() - began <= 600, `${id} was ordered after ${house.clock.now() - began} ms`)
  }
})
