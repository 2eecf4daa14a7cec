import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { fail } from '#model/fault.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createWorld } from '#simulator/world.ts'
import { aJob } from '#test/builders.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'
import { follow } from './follow.ts'
import { launch } from './launch.ts'
import { observe } from './observe.ts'
import { retire } from './retire.ts'
import { sweep } from './sweep.ts'

const signal = new AbortController().signal
const shape = {
  name: 'sim',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 8000,
  memoryMiB: 16_384,
  diskMiB: 65_536,
}
const pool = { tier: 'on-demand' as const, shape, priceMicros: 1, nodes: 4 }
const west = { name: 'west', jurisdictions: ['DE'], patienceMs: 600_000, pools: [pool] }
const tickMs = 100

async function aHouse(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const reconcilers = [observe, admit, launch, follow, retire]
  const world = createWorld({ store, clock, reconcilers, tickMs, seed: 1, sites: [west], faults: { callMs: [0, 0] } })
  const [id = ''] = await submitted(store, [aJob()], clock.now())
  world.cloud.script(id, [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  const provider = world.house.providers.get('simulated')
  assert.ok(provider)
  const isIn = async (state: string) => (await store.workloads.get(id))?.state === state
  return { ...world, store, id, provider, isIn }
}

/** The pauses between some moments, without what the steps of time add to each. */
const pauses = (times: number[]): number[] =>
  times.slice(1).map((time, i) => Math.floor((time - (times[i] ?? 0)) / 500) * 500)

test('an order that is put off is tried again after pauses that double, with the same token, and then launched once', async (t) => {
  const { house, clock, cloud, provider, isIn, runUntil } = await aHouse(t)
  const calls: { at: number; token: string }[] = []
  house.providers.set('simulated', {
    ...provider,
    launch(order, within) {
      calls.push({ at: clock.now(), token: order.token })
      return calls.length <= 4
        ? Promise.resolve(fail('throttled', 'later', 'too many'))
        : provider.launch(order, within)
    },
  })
  assert.ok(await runUntil(() => isIn('running'), 60_000))
  assert.deepEqual(pauses(calls.map(({ at }) => at)), [500, 1000, 2000, 4000])
  assert.equal(new Set(calls.map(({ token }) => token)).size, 1)
  assert.equal(cloud.gangs('west').length, 1)
})

test('a retirement that is put off is tried again after pauses that grow, until nothing is left', async (t) => {
  const { house, store, id, clock, cloud, provider, isIn, runUntil } = await aHouse(t)
  assert.ok(await runUntil(() => isIn('running'), 60_000))
  const calls: number[] = []
  house.providers.set('simulated', {
    ...provider,
    retire(handle, graceMs, within) {
      calls.push(clock.now())
      return calls.length <= 3
        ? Promise.resolve(fail('throttled', 'later', 'too many'))
        : provider.retire(handle, graceMs, within)
    },
  })
  await store.workloads.want(id, 'stop', { who: 'me', now: clock.now() })
  assert.ok(await runUntil(async () => cloud.used('west')[0] === 0 && (await isIn('stopped')), 60_000))
  assert.deepEqual(pauses(calls.slice(0, 4)), [500, 1000, 2000])
})

test('one control plane sweeps at a time, and another takes over from one that is gone', async (t) => {
  const { house, store } = await aHouse(t)
  const other = { ...house, holder: 'other' }
  assert.equal((await sweep.turn(house, signal)).status, '0 orphans')
  assert.equal((await sweep.turn(other, signal)).status, 'another control plane sweeps')
  assert.equal((await sweep.turn(house, signal)).status, '0 orphans', 'its own claim it renews')
  const claim = await store.claims.take('sweep', house.holder, 60)
  assert.ok(claim)
  await store.claims.release(claim)
  assert.equal((await sweep.turn(other, signal)).status, '0 orphans')
  assert.equal((await sweep.turn(house, signal)).status, 'another control plane sweeps')
})
