import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Spec, type WrittenSpec } from '#model/spec/spec.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { admit } from '#reconcilers/admit.ts'
import { follow } from '#reconcilers/follow.ts'
import { launch } from '#reconcilers/launch.ts'
import { meter } from '#reconcilers/meter.ts'
import { observe } from '#reconcilers/observe.ts'
import { retire } from '#reconcilers/retire.ts'
import { sweep } from '#reconcilers/sweep.ts'
import { aStore } from '#rigs/postgres.ts'
import type { Store } from '#store/store.ts'
import { createFakeClock } from './fake-clock.ts'
import { invariants } from './invariants.ts'
import { createWorld, type World } from './world.ts'

const reconcilers = [observe, admit, launch, follow, retire, meter, sweep]

const shape = {
  name: 'sim-4',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 4_000,
  memoryMiB: 16_384,
  diskMiB: 102_400,
}

const aSite = (name: string, nodes: number, priceMicros: number): SimulatedOptions['sites'][number] => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 30_000,
  pools: [{ tier: 'spot', shape, priceMicros, nodes }],
})

async function submit(store: Store, world: World, jobs: number): Promise<string[]> {
  const workloads = Array.from({ length: jobs }, (_, i) => {
    const written: WrittenSpec = { kind: 'job', name: `job-${i}`, run: 'train', nodes: 1 + (i % 3) }
    const spec = Spec.parse(written)
    const id = world.house.ids('w')
    return {
      id,
      name: spec.name,
      project: spec.project,
      kind: spec.kind,
      spec,
      bundle: null,
      priority: 0,
      submittedBy: 'tester',
    }
  })
  await store.workloads.submit(workloads, world.clock.now())
  return workloads.map(({ id }) => id)
}

/** A lease is billed until its site shows nothing of it any more; while the site is away, nobody can say so. */
const awayMs = 60_000
const slackMs = awayMs + 30_000

test('30 jobs end through preemptions, lost replies and the loss of a site; nothing leaks, and the ledger is exact', async () => {
  const clock = createFakeClock()
  await using store = await aStore({ clock })
  const world = createWorld({
    store,
    clock,
    reconcilers,
    seed: 7,
    tickMs: 2_000,
    sites: [aSite('cheap', 16, 1_000_000), aSite('fair', 24, 1_234_567), aSite('dear', 32, 3_999_999)],
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
  const ids = await submit(store, world, 30)
  await world.runFor(30_000)
  assert.deepEqual(await invariants(world, store, { slackMs }), [])
  world.cloud.lose('cheap')
  await world.runFor(awayMs)
  world.cloud.restore('cheap')
  const live = () => store.workloads.list({ states: ['queued', 'starting', 'running', 'stopping'] }, { size: 30 })
  assert.ok(await world.runUntil(async () => (await live()).length === 0, 3_600_000), 'some never end')
  assert.equal((await store.workloads.list({ states: ['succeeded'] }, { size: 100 })).length, 30)
  await world.runFor(120_000)
  assert.deepEqual(await invariants(world, store, { slackMs }), [])
  for (const line of world.cloud.meter()) assert.equal(line.open, false, `${line.token} still runs`)
  const attempts = (await Promise.all(ids.map((id) => store.workloads.attempts(id)))).flat()
  assert.ok(attempts.filter(({ state }) => state === 'lost').length > 3, 'nothing was lost: the test shows nothing')
  for (const { lease } of attempts) assert.ok(lease?.state === 'gone' || lease?.state === 'refused', lease?.state)
})

test('what nobody ordered is seen as a leak, until the house has found it and retired it', async () => {
  const clock = createFakeClock()
  await using store = await aStore({ clock })
  const world = createWorld({ store, clock, reconcilers, seed: 1, tickMs: 5_000, sites: [aSite('west', 4, 1_000_000)] })
  const stranger = {
    token: 'l-stranger',
    workload: 'w-stranger',
    attempt: 1,
    site: 'west',
    tier: 'spot',
    ranks: [{ rank: 0, shape }],
    graceMs: 0,
    controlPlanes: ['http://127.0.0.1:1'],
    credential: 'none',
  }
  world.cloud.script('w-stranger', [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  await world.house.providers.get('simulated')?.launch(stranger, new AbortController().signal)
  const leak = 'l-stranger of w-stranger runs at west, and no live lease knows it'
  assert.deepEqual(await invariants(world, store, { slackMs }), [leak])
  await world.runFor(30_000)
  assert.deepEqual(await invariants(world, store, { slackMs }), [])
  assert.deepEqual(world.cloud.used('west'), [0])
})
