import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { aShape, aSite, aWatchedWorld } from '#rigs/watched-world.ts'

const spot = (...site: Parameters<typeof aSite>): SimulatedOptions['sites'][number] => ({
  ...aSite(...site),
  pools: aSite(...site).pools.map((pool) => ({ ...pool, tier: 'spot' })),
})

for (const { inMemory, jobs } of [
  { inMemory: false, jobs: 10 },
  { inMemory: true, jobs: 30 },
])
  test(`${jobs} jobs end through preemptions, lost replies and the loss of a site; nothing leaks, and the ledger is exact${inMemory ? '; in memory' : ''}`, async () => {
    await using world = await aWatchedWorld({
      inMemory,
      seed: 7,
      tickMs: 2_000,
      looksEvery: 10,
      sites: [spot('cheap', 16), spot('fair', 24, 1_234_567), spot('dear', 32, 3_999_999)],
      faults: {
        bootMs: [1_000, 20_000],
        runMs: [20_000, 120_000],
        stopMs: [100, 3_000],
        teardownMs: [100, 5_000],
        preemptionsPerHour: 12,
        told: 0.5,
        rates: { throttled: 0.05, 'lost-reply': 0.1, 'no-capacity': 0.05 },
      },
    })
    const { store, cloud } = world
    const ids: string[] = []
    for (let i = 0; i < jobs; i++)
      ids.push(await world.submit({ kind: 'job', name: `job-${i}`, run: 'train', nodes: 1 + (i % 3) }))
    await world.runFor(30_000)
    cloud.lose('cheap')
    await world.runFor(60_000)
    cloud.restore('cheap')
    const live = () => store.workloads.list({ states: ['queued', 'starting', 'running', 'stopping'] }, { size: jobs })
    assert.ok(await world.runUntil(async () => (await live()).length === 0, 3_600_000), 'some never end')
    assert.equal((await store.workloads.list({ states: ['succeeded'] }, { size: 100 })).length, jobs)
    await world.runFor(120_000)
    assert.deepEqual(await world.checkers.lookAtRest(), [])
    for (const line of cloud.meter()) assert.equal(line.open, false, `${line.token} still runs`)
    const attempts = (await Promise.all(ids.map((id) => store.workloads.attempts(id)))).flat()
    assert.ok(
      attempts.filter(({ state }) => state === 'lost').length > jobs / 10,
      'nothing was lost: the test shows nothing',
    )
    for (const { lease } of attempts) assert.ok(lease?.state === 'gone' || lease?.state === 'refused', lease?.state)
  })

test('what nobody ordered is seen as a leak, until the house has found it and retired it', async () => {
  await using world = await aWatchedWorld({ tickMs: 5_000, sites: [aSite('west', 4)] })
  const stranger = {
    token: 'l-stranger',
    workload: 'w-stranger',
    attempt: 1,
    site: 'west',
    tier: 'on-demand',
    ranks: [{ rank: 0, shape: aShape }],
    graceMs: 0,
    controlPlanes: ['http://127.0.0.1:1'],
    credential: 'none',
  }
  world.cloud.script('w-stranger', [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  await world.cloud.open().launch(stranger, new AbortController().signal)
  const leak = 'l-stranger of w-stranger runs at simulated/west, and no live lease knows it'
  assert.deepEqual(
    (await world.checkers.lookAtRest()).map(({ what }) => what),
    [leak],
  )
  await world.runFor(30_000)
  assert.deepEqual(await world.checkers.lookAtRest(), [])
  assert.deepEqual(world.cloud.used('west'), [0])
})
