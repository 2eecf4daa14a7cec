import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'

const edges = ['before', 'after'] as const

for (const edge of edges)
  for (const call of ['placement.commit', 'operations.claim', 'provider.launch', 'operations.settle'])
    test(`a control plane that dies ${edge} ${call} creates what it was to create once`, async () => {
      await using house = await aHouse()
      house.kill({ call, edge, downMs: 5_000 })
      const id = await house.submit('once', { nodes: 3, runMs: 60_000 })
      await house.runUntil('it runs', () => house.workload(id).state === 'running')
      const there = ['west', 'east'].flatMap((site) => house.cloud.gangs(site))
      assert.equal(there.length, 1)
      await house.runUntil('it ends', () => house.workload(id).state === 'succeeded')
      await house.toRest()
      assert.equal(house.cloud.meter().length, 1, 'it was created more than once')
      assert.deepEqual(
        house.attempts(id).map(({ state }) => state),
        ['succeeded'],
      )
    })

for (const { count, agents } of [
  { count: 200, agents: [] },
  { count: 20, agents: ['west'] },
])
  test(`${count} live jobs${agents.length > 0 ? ' of our agents' : ''} go on through a restart of the control plane`, async () => {
    await using house = await aHouse({ sites: [aSite('west', 210)], agents, lookMs: 30_000 })
    const names = Array.from({ length: count }, (_, i) => `job-${i}`)
    const ids = await house.submitAll(names, { runMs: 100_000 })
    await house.runUntil('all run', () => ids.every((id) => house.workload(id).state === 'running'))
    house.kill({ downMs: 40_000 })
    await house.runFor(60_000)
    for (const id of ids) assert.equal(house.workload(id).state, 'running', house.workload(id).reason)
    await house.runUntil('all end', () => ids.every((id) => house.workload(id).state === 'succeeded'))
    await house.toRest()
    assert.equal(house.cloud.meter().length, count)
    for (const id of ids) assert.equal(house.attempts(id).length, 1)
  })

for (const agents of [[], ['west']])
  for (const away of ['dead', 'still'] as const)
    test(`what ended before its maximum ended by itself${agents.length > 0 ? ', for our agents' : ''}, though the control plane was ${away} until after it`, async () => {
      await using house = await aHouse({ sites: [aSite('west', 4)], agents })
      const short = await house.submit('short', { runMs: 40_000, duration: { maximum: '2m' } })
      const long = await house.submit('long', { runMs: 3_600_000, duration: { maximum: '2m' } })
      await house.runUntil('both run', () => [short, long].every((id) => house.workload(id).state === 'running'))
      if (away === 'dead') house.kill({ downMs: 600_000 })
      else house.pause({ call: 'follow.due', forMs: 600_000 })
      await house.runUntil('both end', () => [short, long].every((id) => house.workload(id).endedAt !== null), 900_000)
      assert.deepEqual(
        [short, long].map((id) => [house.workload(id).state, house.workload(id).exitCode]),
        [
          ['succeeded', 0],
          ['failed', 124],
        ],
      )
      await house.toRest()
    })

for (const call of ['placement.snapshot', 'ledger.unmetered'])
  test(`a control plane that stood still for ten minutes at ${call} is at its work again at once`, async () => {
    await using house = await aHouse()
    const [lost] = await house.submitAll(['lost'], { runMs: 3_600_000 })
    await house.runUntil('it runs', () => house.workload(lost ?? '').state === 'running')
    house.pause({ call, forMs: 600_000 })
    const began = house.clock.now()
    await house.runFor(20_000)
    for (const site of ['west', 'east']) house.cloud.befall(site, 'vanished')
    await house.runFor(began + 620_000 - house.clock.now())
    const next = await house.submit('next')
    await house.runUntil('it goes on', () => house.workload(next).state === 'running', 60_000)
    await house.runUntil('it is tried again', () => house.attempts(lost ?? '')[1]?.state === 'running', 60_000)
    await house.asked('POST', `/v1/workloads/${lost}/stop`)
    await house.toRest()
  })
