import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aCloud, aPlace, forever, statesOf } from '#rigs/simulated-cloud.ts'
import { fates, type Trouble } from './trouble.ts'

/** A gang of four that runs for ever, and has met this fate; a moment later. */
async function met(fate: Trouble, faults: Parameters<typeof aCloud>[0] = {}) {
  const rig = aCloud({ bootMs: [1_000, 1_000], slowMs: [20_000, 20_000], lagMs: [3_000, 3_000], ...faults })
  rig.cloud.script('w-a', [forever])
  rig.cloud.befall('west', fate, { token: 'a' })
  assert.equal(await rig.launch('a', { nodes: 4 }), 'ok')
  await rig.clock.advance(2_000)
  return rig
}

test('nodes that never come are not shown, those that never boot are expected for ever, and both are held and paid', async () => {
  for (const fate of ['missing', 'unbooted'] as const) {
    const { clock, cloud, get, retire, befell } = await met(fate)
    await clock.advance(3_600_000)
    const seen = statesOf(await get('a'))
    const up = seen.filter((one) => one.endsWith('running')).length
    assert.ok(up >= 2 && up < 4, `${seen}`)
    assert.equal(seen.length, fate === 'missing' ? up : 4)
    if (fate === 'unbooted') assert.equal(seen.filter((one) => one.endsWith('expected')).length, 4 - up)
    assert.deepEqual([cloud.used('west'), cloud.meter()[0]?.nodes, befell()], [[4], 4, [`launch a ${fate}`]])
    assert.equal(await retire('a'), 'gone')
    assert.deepEqual(cloud.used('west'), [0])
  }
})

test('a single node that does not come is one that does not boot: a gang of none cannot be shown', async () => {
  const { cloud, launch, get } = aCloud({ rates: { missing: 1 } })
  await launch('a')
  assert.deepEqual(statesOf(await get('a')), ['0 expected'])
  assert.equal(cloud.gangs('west')[0]?.odd?.how, 'unbooted')
})

test('a gang is slow to come up, and slow to go, and holds its nodes until its ranks have ended', async () => {
  const slow = await met('slow-boot')
  await slow.clock.advance(18_999)
  assert.equal(statesOf(await slow.get('a'))[0], '0 expected')
  await slow.clock.advance(1)
  assert.equal(statesOf(await slow.get('a'))[0], '0 running')
  const stuck = await met('slow-stop')
  assert.equal(await stuck.retire('a'), 'retiring')
  await stuck.clock.advance(19_999)
  assert.deepEqual([await stuck.retire('a'), await stuck.list(), stuck.cloud.used('west')], ['retiring', ['a'], [4]])
  await stuck.clock.advance(1)
  assert.deepEqual([await stuck.retire('a'), await stuck.list(), stuck.cloud.used('west')], ['gone', [], [0]])
  assert.equal(stuck.cloud.meter()[0]?.to, 22_000)
})

test('what is taken away while it is told to end is gone with that, however slowly it would have been torn down', async () => {
  const { clock, cloud, launch, retire, list } = aCloud({
    machines: true,
    teardownMs: [50_000, 50_000],
    noticeMs: [5_000, 5_000],
  })
  await launch('a')
  await clock.advance(1_000)
  cloud.befall('west', 'preempted', { token: 'a' })
  await clock.advance(1_000)
  assert.equal(await retire('a'), 'retiring')
  await clock.advance(3_999)
  assert.deepEqual([await retire('a'), await list(), cloud.used('west')], ['retiring', ['a'], [1]])
  await clock.advance(1)
  assert.deepEqual([await retire('a'), await list(), cloud.used('west')], ['gone', [], [0]])
})

test('where nodes are machines they are held and paid until they are gone, whenever their ranks ended', async () => {
  const { clock, cloud, launch, retire } = aCloud({ machines: true, teardownMs: [5_000, 5_000] })
  await launch('a', { nodes: 2 })
  await launch('b')
  await clock.advance(100_000)
  assert.deepEqual([cloud.used('west'), cloud.meter()[0]?.to], [[3], 100_000])
  assert.equal(await retire('a'), 'retiring')
  cloud.befall('west', 'vanished', { token: 'b' })
  await clock.advance(4_999)
  assert.deepEqual(cloud.used('west'), [2])
  await clock.advance(1)
  assert.deepEqual(cloud.used('west'), [0])
  assert.deepEqual(
    cloud.meter().map(({ token, to }) => [token, to]),
    [
      ['b', 100_000],
      ['a', 105_000],
    ],
  )
})

test('a gang that was told to be hidden or a ghost is so for as long as views may be old', async () => {
  const hidden = await met('hidden')
  assert.deepEqual(await hidden.list(), [])
  await hidden.clock.advance(1_000)
  assert.deepEqual(await hidden.list(), ['a'])
  const ghost = await met('ghost')
  assert.equal(await ghost.retire('a'), 'gone')
  assert.deepEqual(await ghost.list(), ['a'])
  await ghost.clock.advance(3_000)
  assert.deepEqual(await ghost.list(), [])
})

test('a rank that hangs neither ends nor heeds, until its grace is over', async () => {
  const { clock, cloud, launch, get, retire, list } = aCloud({ teardownMs: [10, 10], stopMs: [5, 5] })
  await launch('a', { nodes: 2 })
  await clock.advance(1_000)
  cloud.befall('west', 'hung')
  await clock.advance(3_600_000)
  assert.deepEqual(
    statesOf(await get('a'))
      .map((one) => one.split(' ')[1])
      .sort(),
    ['exited', 'running'],
  )
  assert.deepEqual(cloud.used('west'), [2])
  assert.equal(await retire('a', 500), 'retiring')
  await clock.advance(499)
  assert.deepEqual(cloud.used('west'), [2])
  await clock.advance(1)
  assert.deepEqual(cloud.used('west'), [0])
  assert.deepEqual((await get('a'))?.ranks.map(({ exitCode }) => exitCode).sort(), [0, 137])
  await clock.advance(10)
  assert.deepEqual(await list(), [])
})

test('a node that is dropped is shown as lost, or not shown any more, and the others go on', async () => {
  for (const told of [1, 0]) {
    const { cloud, launch, get } = aCloud({ told })
    cloud.script('w-a', [forever])
    await launch('a', { nodes: 3 })
    cloud.befall('west', 'dropped', { token: 'a' })
    const states = statesOf(await get('a')).map((one) => one.split(' ')[1])
    assert.deepEqual(states.sort(), told ? ['lost', 'running', 'running'] : ['running', 'running'])
  }
})

test('a gang that is preempted is told so in time, and shown as lost after; one that vanishes is not', async () => {
  const { clock, cloud, launch, get, list, befell } = aCloud({ noticeMs: [30_000, 30_000] })
  for (const token of ['a', 'b']) cloud.script(`w-${token}`, [forever])
  for (const token of ['a', 'b']) await launch(token)
  await clock.advance(1_000)
  cloud.befall('west', 'preempted', { token: 'a' })
  cloud.befall('west', 'vanished', { token: 'b' })
  const [gang] = cloud.gangs('west')
  assert.deepEqual([gang?.noticedAt, gang?.takenAt, await list()], [1_000, 31_000, ['a']])
  await clock.advance(29_999)
  const noticed = await get('a')
  assert.deepEqual(statesOf(noticed), ['0 running'])
  assert.deepEqual([noticed?.ranks[0]?.leavesAt, noticed?.ranks[0]?.cause?.kind], [31_000, 'preempted'])
  await clock.advance(1)
  const taken = await get('a')
  assert.deepEqual([...statesOf(taken), taken?.ranks[0]?.cause?.kind], ['0 lost', 'preempted'])
  assert.deepEqual(
    cloud
      .meter()
      .map(({ token, to }) => [token, to])
      .sort(),
    [
      ['a', 31_000],
      ['b', 1_000],
    ],
  )
  assert.deepEqual(befell(), [' a preempted', ' b vanished'])
})

/** Which of 400 gangs hang, launched in this order. */
const fateOf = async (order: (tokens: string[]) => string[], rates: object) => {
  const { clock, cloud, launch } = aCloud({ rates }, { sites: [aPlace('west', 4_000)] })
  const tokens = Array.from({ length: 400 }, (_, i) => `t-${i}`)
  cloud.script('w', [forever])
  for (const token of order(tokens)) await launch(token, { workload: 'w', nodes: 4 })
  await clock.advance(120_000)
  cloud.gangs('west')
  return new Set(
    cloud
      .befell()
      .filter(({ fault }) => fault === 'hung')
      .map(({ token }) => token),
  )
}

test('by rate, fates befall so many of the gangs, whatever else befalls and in whichever order they are launched', async () => {
  const some = await fateOf((all) => all, { hung: 0.2 })
  assert.ok(Math.abs(some.size - 80) < 25, `${some.size} of about 80`)
  assert.deepEqual(await fateOf((all) => all.toReversed(), { hung: 0.2, 'lost-reply': 0.3 }), some)
})

test('every fate is told, and none befalls where nothing is said', async () => {
  for (const fate of fates) {
    const { cloud, launch } = aCloud()
    await launch('a', { nodes: 2 })
    cloud.befall('west', fate, { times: 1 })
    await launch('b', { nodes: 2 })
    const [first, ...more] = cloud.befell()
    assert.deepEqual([first?.fault, more.length], [fate, 0])
  }
})
