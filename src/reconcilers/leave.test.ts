import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'

import { fail } from '#model/fault.ts'
import { createSimulated } from '#providers/simulated/simulated.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { aLoopHouse } from '#rigs/loop-house.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { leave } from './leave.ts'
import { observe } from './observe.ts'

const signal = new AbortController().signal
const shape = { name: 's', accelerators: 0, acceleratorMemoryMiB: 0, cpuMilli: 8000, memoryMiB: 16_384, diskMiB: 1024 }
const sites = [
  {
    name: 'here',
    jurisdictions: ['DE'],
    patienceMs: 20_000,
    pools: [{ tier: 'on-demand' as const, shape, priceMicros: 1, nodes: 4 }],
  },
]

async function aWorld(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const cloud = createSimulated({ seed: 1, sites, faults: {}, clock })
  const provider = cloud.open()
  const house = aLoopHouse(store, provider, clock)
  const [site] = provider.sites()
  assert.ok(site)
  await store.joined.add(site, { name: 'here' }, clock.now())
  const turn = async () => {
    await clock.advance(3_000)
    await leave.turn(house, signal)
  }
  return { store, provider, house, clock, turn, key: 'simulated/here' }
}

test('what carries our tag and belongs to nobody is retired before a site is forgotten', async (t) => {
  const { store, provider, clock, turn, key } = await aWorld(t)
  const order = {
    token: 'l-orphan',
    workload: 'w-1',
    attempt: 1,
    site: 'here',
    tier: 'on-demand' as const,
    ranks: [{ rank: 0, shape }],
    graceMs: 0,
    controlPlanes: [],
    credential: 'c',
  }
  assert.ok((await provider.launch(order, signal)).ok)
  await turn()
  assert.equal((await store.joined.list()).length, 1, 'nobody leaves it')
  await store.joined.leave(key, { stop: false, now: clock.now() })
  for (let turns = 0; (await store.joined.list()).length > 0; turns++) {
    assert.ok(turns < 100, JSON.stringify(await store.joined.list()))
    await turn()
  }
  const listed = await provider.list('here', signal)
  assert.deepEqual(listed.ok && listed.value, [])
})

test('a site that this control plane has not opened is left to others, and says so', async (t) => {
  const { store, house, clock, turn, key } = await aWorld(t)
  house.providers.clear()
  await store.joined.leave(key, { stop: false, now: clock.now() })
  await turn()
  const [site] = await store.joined.list()
  assert.deepEqual(site?.leaving?.remains, [{ what: 'this control plane has not opened it', fix: null }])
})

test('a joined site that no control plane has opened is not forgotten for that', async (t) => {
  const { store, house, clock, turn, key } = await aWorld(t)
  house.providers.clear()
  await observe.turn(house, signal)
  await turn()
  const seen = async () => (await store.sites.list()).map(({ site, reach }) => ({ site, reach }))
  assert.deepEqual(await seen(), [{ site: key, reach: 'reachable' }], 'one of them may be opening it')
  await clock.advance(70_000)
  await observe.turn(house, signal)
  assert.deepEqual(await seen(), [{ site: key, reach: 'unreachable' }])
})

test('a site that is given up while it is looked at waits for nobody, whatever that look says', async (t) => {
  const { store, provider, house, clock, turn, key } = await aWorld(t)
  const silent = fail('unreachable', 'later', 'it is away')
  const remains = async () => (await store.joined.list())[0]?.leaving?.remains
  house.providers.set('simulated', {
    ...provider,
    async list() {
      await store.joined.leave(key, { stop: true, gone: true, now: clock.now() })
      return silent
    },
  })
  await store.joined.leave(key, { stop: true, now: clock.now() })
  await turn()
  assert.deepEqual(await remains(), [], 'that look began before')
  await turn()
  assert.deepEqual(await remains(), [{ what: 'it is being given up', fix: null }])
})
