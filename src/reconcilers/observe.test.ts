import assert from 'node:assert/strict'
import { test } from 'node:test'

import { succeed } from '#model/fault.ts'
import { shape } from '#simulator/house/shape.ts'
import { createMemoryStore } from '#simulator/house/memory/store.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createWorld } from '#simulator/world.ts'
import { observe } from './observe.ts'
import { startLoops } from './run.ts'

const aSiteOf = (name: string) => ({
  name,
  jurisdictions: ['DE'],
  patienceMs: 600_000,
  pools: [{ tier: 'on-demand' as const, shape, priceMicros: 1, nodes: 4 }],
})

/** A house that only observes a site, of which all calls take so long, and when that was asked what is there. */
function anObserver(callMs: number) {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const west = { ...aSiteOf('west'), patienceMs: 20_000 }
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

test('its loop wakes for what is due: offers of all sites about every 30 s together, and lists while one does not answer', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const sites = [aSiteOf('west'), aSiteOf('east')]
  const faults = { callMs: [100, 900] as [number, number] }
  const { cloud, house } = createWorld({ store, clock, reconcilers: [observe], seed: 1, sites, faults })
  const calls: { at: number; call: string; site: string }[] = []
  for (const provider of house.providers.values()) {
    const { list, offers } = provider
    provider.list = (name, signal) => {
      calls.push({ at: clock.now(), call: 'list', site: name })
      return list(name, signal)
    }
    provider.offers = (name, signal) => {
      calls.push({ at: clock.now(), call: 'offers', site: name })
      return offers(name, signal)
    }
  }
  let turns = 0
  const counted = { ...observe, turn: (...given: Parameters<typeof observe.turn>) => (turns++, observe.turn(...given)) }
  const loops = startLoops([counted], house, { error: (facts) => assert.fail(JSON.stringify(facts)) })
  await clock.advance(60_000) // all begins at once, and at its own pace
  const [from, before] = [clock.now(), turns]
  await clock.advance(600_000)
  const asked = calls.filter(({ at, call }) => at > from && call === 'offers')
  const times = [...new Set(asked.map(({ at }) => at))]
  assert.deepEqual(Map.groupBy(asked, ({ at }) => at).size * 2, asked.length, 'of both sites together')
  assert.ok(
    times.every((at, i) => at - (times[i - 1] ?? from) <= 30_500) && times.length <= 23,
    `${times.length} times`,
  )
  assert.ok(turns - before <= times.length + 1, `${turns - before} turns`)
  cloud.cut('west')
  await clock.advance(60_000)
  const late = clock.now()
  await clock.advance(20_000)
  assert.ok(calls.filter(({ at, call, site: name }) => at > late && call === 'list' && name === 'west').length >= 8)
  await loops.stop()
})
