import assert from 'node:assert/strict'
import { test } from 'node:test'

import { succeed } from '#model/fault.ts'
import { shape } from '#simulator/house/shape.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createWorld } from '#simulator/world.ts'
import { observe } from './observe.ts'

/** A house that only observes a site, of which all calls take so long, and when that was asked what is there. */
function anObserver(callMs: number) {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const pools = [{ tier: 'on-demand' as const, shape, priceMicros: 1, nodes: 4 }]
  const west = { name: 'west', jurisdictions: ['DE'], patienceMs: 20_000, pools }
  const faults = { callMs: [callMs, callMs] as [number, number] }
  const { cloud, house } = createWorld({ store, clock, reconcilers: [observe], seed: 1, sites: [west], faults })
  const listed: number[] = []
  for (const provider of house.providers.values()) {
    const { list } = provider
    provider.list = (...args) => {
      listed.push(clock.now())
      return list(...args)
    }
  }
  const looks = async (milliseconds: number): Promise<number> => {
    const from = clock.now()
    for (const until = from + milliseconds; clock.now() < until; await clock.advance(500))
      void observe.turn(house, new AbortController().signal)
    return listed.filter((at) => at >= from).length
  }
  return { cloud, house, looks }
}

test('a site where nothing of ours is is seldom listed, and often while it does not answer', async () => {
  const { cloud, looks } = anObserver(0)
  assert.equal(await looks(20_000), 1)
  cloud.cut('west')
  await looks(40_000) // until it is asked what it offers
  assert.ok((await looks(20_000)) >= 8, 'its patience would run out with nobody asking')
  cloud.restore('west')
  await looks(10_000)
  assert.ok((await looks(20_000)) <= 1)
})

test('what will keep us from a site before long is shown while it is so, and told once', async () => {
  const { house, looks } = anObserver(0)
  let warning: string | null = null
  for (const { abilities } of house.providers.values())
    Object.assign(abilities, { warning: async () => succeed(warning) })
  const shown = async (next: string | null) => {
    warning = next
    await looks(40_000) // until it is asked what it offers
    const [site] = await house.store.sites.list()
    const events = await house.store.events.since(null, { most: 100 })
    return [site?.reach, site?.detail, ...events.map(({ message }) => message)]
  }
  const said = 'simulated/west: its token ends'
  assert.deepEqual(await shown(null), ['reachable', ''])
  assert.deepEqual(await shown('its token ends'), ['reachable', 'its token ends', said])
  assert.deepEqual(await shown('its token ends'), ['reachable', 'its token ends', said])
  assert.deepEqual(await shown(null), ['reachable', '', said])
})

test('who waited long for an answer that never came does not rest from it', async () => {
  const { cloud, looks } = anObserver(7_000)
  await looks(60_000)
  cloud.cut('west', 'hanging')
  await looks(60_000)
  assert.ok((await looks(60_000)) >= 3)
})
