import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Spec } from '#model/spec/spec.ts'
import type { SimulatedOptions } from '#providers/simulated/options.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import { shape } from '#simulator/house/shape.ts'
import { createWorld } from '#simulator/world.ts'
import { admit } from './admit.ts'
import { follow } from './follow.ts'
import { launch } from './launch.ts'
import { observe } from './observe.ts'
import { retire } from './retire.ts'

const site: SimulatedOptions['sites'][number] = {
  name: 'west',
  jurisdictions: ['DE'],
  patienceMs: 20_000,
  pools: [{ tier: 'on-demand', shape, priceMicros: 1, nodes: 4 }],
  tells: true,
}

/** A house in which a job runs for ever at a site that tells of changes, and nothing has happened for a minute. */
async function aQuietHouse(faults: SimulatedOptions['faults'] = {}) {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const loops = [observe, admit, launch, follow, retire]
  const world = createWorld({ store, clock, reconcilers: loops, seed: 1, sites: [site], faults })
  const listed: number[] = []
  const watches: AbortSignal[] = []
  let [watching, most] = [0, 0]
  for (const provider of world.house.providers.values()) {
    const { list } = provider
    const { watch } = provider.abilities
    provider.list = (...args) => {
      listed.push(clock.now())
      return list(...args)
    }
    provider.abilities.watch = async (name, since, signal) => {
      watches.push(signal)
      most = Math.max(most, ++watching)
      return (await watch?.(name, since, signal).finally(() => watching--)) ?? assert.fail('it tells')
    }
  }
  const spec = Spec.parse({ kind: 'job', name: 'work', run: 'work', retry: { onLoss: 0 } })
  const job = { id: 'w-1', project: 'default', bundle: null, submittedBy: 'tester' }
  world.cloud.script(job.id, [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  await store.workloads.submit([{ ...job, name: spec.name, kind: spec.kind, priority: 0, spec }], clock.now())
  const stateOf = async () => (await store.workloads.get(job.id))?.state
  assert.ok(await world.runUntil(async () => (await stateOf()) === 'running', 60_000))
  await world.runFor(60_000)
  return {
    ...world,
    store,
    watches,
    mostWatches: () => most,
    isLost: async () => (await stateOf()) !== 'running',
    reach: async () => (await store.sites.list())[0]?.reach,
    /** How often the site is listed in so long. */
    async lists(milliseconds: number): Promise<number> {
      const from = clock.now()
      await world.runFor(milliseconds)
      return listed.filter((at) => at >= from).length
    },
  }
}

test('a site that tells of changes is listed once a minute while there are none, and has one watch', async () => {
  const house = await aQuietHouse()
  const lists = await house.lists(600_000)
  assert.ok(lists >= 9 && lists <= 11, `${lists} times in ten minutes`)
  assert.equal(house.mostWatches(), 1)
})

test('what is gone is told, and so known after two looks', async () => {
  const house = await aQuietHouse()
  house.cloud.befall('west', 'vanished')
  assert.ok(await house.runUntil(house.isLost, 5_000))
})

test('a site whose watch is refused is listed as often as one that has none', async () => {
  const house = await aQuietHouse({ rates: { unreachable: { watch: 1 } } })
  const lists = await house.lists(60_000)
  assert.ok(lists >= 8 && lists <= 12, `${lists} times in a minute`)
  assert.equal(await house.reach(), 'reachable')
  house.cloud.befall('west', 'vanished')
  assert.ok(await house.runUntil(house.isLost, 12_000))
})

test('what a watch does not tell that hangs without a word is found by a listing', async () => {
  const house = await aQuietHouse()
  house.cloud.befall('west', 'timed-out', { calls: ['watch'] })
  await house.runFor(61_000) // the one that waits is quiet, and the next hangs
  house.cloud.befall('west', 'vanished')
  assert.ok(await house.runUntil(house.isLost, 65_000))
})

test('what lists do not show at once that was told of is looked for again', async () => {
  const house = await aQuietHouse({ lagMs: [5_000, 5_000] })
  house.cloud.befall('west', 'old-view')
  house.cloud.befall('west', 'vanished')
  assert.ok(await house.runUntil(house.isLost, 20_000))
})

test('a site that is away is known to be as soon as its watch is cut, and is asked all the time', async () => {
  const house = await aQuietHouse()
  house.cloud.cut('west')
  assert.ok(await house.runUntil(async () => (await house.reach()) === 'unreachable', 3_000))
  assert.ok((await house.lists(40_000)) >= 15)
  house.cloud.restore('west')
  assert.ok(await house.runUntil(async () => (await house.reach()) === 'reachable', 15_000))
  await house.runFor(60_000)
  assert.ok((await house.lists(120_000)) <= 3, 'it is watched again')
})

test('a watch ends with the claim to look at its site', async () => {
  const house = await aQuietHouse()
  await house.clock.advance(20_000)
  assert.ok(await house.store.claims.take('observe:simulated/west', 'another', 3_600))
  await house.step()
  assert.equal(house.watches.at(-1)?.aborted, true)
  const before = house.watches.length
  await house.runFor(60_000)
  assert.equal(house.watches.length, before)
})
