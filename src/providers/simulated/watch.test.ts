import assert from 'node:assert/strict'
import { test } from 'node:test'

import { mostQuietMs } from '#providers/provider.ts'
import { aCloud, aPlace, forever } from '#rigs/simulated-cloud.ts'
import type { GivenFaults } from './faults.ts'

/** A site that tells of changes, at which one gang runs for ever, and what its watches say: when, and what or which fault. */
async function aTelling(faults: GivenFaults = {}) {
  const here = aCloud(faults, { sites: [{ ...aPlace('west', 8), tells: true }] })
  const { cloud, clock, provider, signal, launch } = here
  cloud.script('a', [forever])
  await launch('a')
  const watch = async (since: string | null) => {
    const told = await provider.abilities.watch?.('west', since, signal)
    const said = told?.ok ? told.value : told?.fault.kind
    return { said: said ?? 'nothing', at: clock.now() }
  }
  const { said: mark } = await watch(null)
  return { ...here, watch, mark }
}

test('a watch ends when something changes, and says the same as before when nothing did for long', async () => {
  const { clock, cloud, watch, mark } = await aTelling()
  const quiet = watch(mark)
  await clock.advance(mostQuietMs)
  assert.deepEqual(await quiet, { said: mark, at: mostQuietMs })
  const told = watch(mark)
  await clock.advance(1_000)
  cloud.befall('west', 'vanished')
  await clock.advance(1)
  const { said, at } = await told
  assert.notEqual(said, mark)
  assert.equal(at, mostQuietMs + 1_000)
})

test('a gang that ends by itself is told of when it does', async () => {
  const { clock, cloud, launch, watch } = await aTelling()
  cloud.script('b', [{ ...forever, runMs: 7_000 }])
  await launch('b')
  const { said: mark } = await watch(null)
  const told = watch(mark)
  await clock.advance(30_000)
  assert.equal((await told).at, 7_000)
})

test('the watch of a site that is cut fails at once, and after ten seconds where nobody says so', async () => {
  const { clock, cloud, watch, mark } = await aTelling()
  const cut = watch(mark)
  await clock.advance(1_000)
  cloud.cut('west')
  await clock.advance(1)
  assert.deepEqual(await cut, { said: 'unreachable', at: 1_000 })
  cloud.restore('west')
  const hung = watch(mark)
  await clock.advance(1)
  cloud.cut('west', 'hanging')
  await clock.advance(20_000)
  assert.deepEqual(await hung, { said: 'unreachable', at: 11_002 })
})

test('a watch may be late, cut, told twice, or never end', async () => {
  const { clock, cloud, watch, mark, launch } = await aTelling({ slowMs: [4_000, 4_000], lateMs: [3_000, 3_000] })
  const late = watch(mark)
  await clock.advance(1_000)
  cloud.befall('west', 'slow', { calls: ['watch'], times: 1 })
  await launch('b')
  await clock.advance(10_000)
  const first = await late
  assert.deepEqual([first.at, first.said === mark], [5_000, false])
  cloud.befall('west', 'duplicated', { calls: ['watch'], times: 1 })
  const told = (await watch(null)).said
  const again = watch(told)
  await clock.advance(3_000)
  assert.notEqual((await again).said, told)
  cloud.befall('west', 'lost-reply', { calls: ['watch'], times: 1 })
  assert.equal((await watch(null)).said, 'unreachable')
  cloud.befall('west', 'timed-out', { calls: ['watch'], times: 1 })
  let isOver = false
  void watch(null).then(() => (isOver = true))
  await clock.advance(600_000)
  assert.equal(isOver, false)
})

test('a site that does not tell says so for good', async () => {
  const sites = [aPlace('west', 8), { ...aPlace('east', 8), tells: true as const }]
  const { provider, signal } = aCloud({}, { sites })
  const told = await provider.abilities.watch?.('west', null, signal)
  assert.deepEqual(told?.ok === false && told.fault.retry, 'never')
  assert.equal(aCloud().provider.abilities.watch, undefined)
})
