import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aCloud, anOrderOf, aPlace, forever, shape, statesOf } from '#rigs/simulated-cloud.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import type { GivenFaults } from './faults.ts'
import { createSimulated } from './simulated.ts'

/** A site of four nodes with names, two in a rack and a rack in a block; an order names those that it is for. */
function aNamed(faults: GivenFaults = {}) {
  const here = aCloud(faults, { sites: [{ ...aPlace('west', 4), racks: { nodes: 2, inBlock: 1 } }] })
  const { cloud, provider, signal } = here
  return {
    ...here,
    launch(token: string, nodes: string[]) {
      cloud.script(token, [forever])
      return here.launch(token, { ranks: nodes.map((node, rank) => ({ rank, node, shape })) })
    },
    async inventory() {
      const told = await provider.abilities.inventory?.('west', signal)
      assert.ok(told?.ok)
      return told.value.map(({ name, path, usable }) => `${name} ${path.join('/')}${usable ? '' : ' unusable'}`)
    },
  }
}

test('nodes with names are told with their racks and blocks, and are each given once', async () => {
  const { launch, inventory, retire } = aNamed()
  assert.deepEqual(await inventory(), [
    'n0-0 r0-0/b0-0/west',
    'n0-1 r0-0/b0-0/west',
    'n0-2 r0-1/b0-1/west',
    'n0-3 r0-1/b0-1/west',
  ])
  assert.equal(await launch('a', ['n0-1', 'n0-2']), 'ok')
  assert.equal(await launch('b', ['n0-0', 'n0-2']), 'no-capacity')
  assert.equal(await launch('b', ['n0-0', 'n0-0']), 'no-capacity')
  assert.equal(await launch('b', ['n0-4']), 'no-capacity')
  assert.equal(await launch('b', ['']), 'no-capacity')
  assert.equal(await retire('a'), 'gone')
  assert.equal(await launch('b', ['n0-0', 'n0-2']), 'ok')
})

test('a node that is down loses its rank and takes nothing until it is up again; one that is cordoned keeps its rank', async () => {
  const { cloud, launch, inventory, get, offer } = aNamed()
  assert.equal(await launch('a', ['n0-0', 'n0-1', 'n0-3']), 'ok')
  cloud.changeNode('west', 'n0-1', 'down')
  cloud.changeNode('west', 'n0-2', 'away')
  cloud.changeNode('west', 'n0-3', 'cordoned')
  assert.deepEqual(statesOf(await get('a')), ['0 running', '1 lost', '2 running'])
  const left = ['n0-0 r0-0/b0-0/west', 'n0-1 r0-0/b0-0/west unusable', 'n0-3 r0-1/b0-1/west unusable']
  assert.deepEqual(await inventory(), left)
  assert.equal((await offer()).available, 1)
  assert.equal(await launch('b', ['n0-2']), 'no-capacity')
  cloud.changeNode('west', 'n0-2', 'up')
  assert.equal(await launch('b', ['n0-2']), 'ok')
})

test('what hangs is what stands on that node', async () => {
  const { cloud, launch, get, retire, clock } = aNamed()
  for (const [token, node] of ['n0-0', 'n0-1'].entries()) assert.equal(await launch(`${token}`, [node]), 'ok')
  cloud.changeNode('west', 'n0-1', 'hung')
  assert.deepEqual([await retire('0', 1_000), await retire('1', 1_000)], ['gone', 'retiring'])
  await clock.advance(1_000)
  assert.equal(await retire('1', 1_000), 'gone')
  assert.deepEqual(await get('1'), null)
})

test('what is told of nodes may be old, or false', async () => {
  const { clock, cloud, inventory, launch } = aNamed({ lagMs: [10_000, 10_000] })
  await clock.advance(60_000)
  cloud.changeNode('west', 'n0-1', 'down')
  cloud.change('west', { nodes: 3 })
  assert.equal((await inventory()).length, 3)
  for (const lie of ['old-offers', 'false-offers'] as const) {
    cloud.befall('west', lie, { calls: ['inventory'], times: 1 })
    assert.deepEqual([(await inventory()).length, (await inventory())[1]], [4, 'n0-1 r0-0/b0-0/west unusable'])
  }
  assert.equal(await launch('a', ['n0-3']), 'no-capacity')
})

test('a provider tells the nodes of all its sites by name, or of none', () => {
  const sites = [{ ...aPlace('west', 4), racks: { nodes: 2, inBlock: 1 } }, aPlace('east', 4)]
  assert.throws(() => aCloud({}, { sites }), /give racks to all of them, or to none/)
  assert.equal(aCloud().provider.abilities.inventory, undefined)
})

test('nodes that can be divided are filled by parts, each of which pays its largest share', async () => {
  const place = aPlace('west', 2)
  const pools = place.pools.map((pool) => ({ ...pool, priceMicros: 8_000_001, divisible: true as const }))
  const { cloud, provider, signal } = aCloud({}, { sites: [{ ...place, pools, racks: { nodes: 2, inBlock: 1 } }] })
  const launch = async (token: string, accelerators: number, shareMilli = 0) => {
    const slice = { ...shape, accelerators, cpuMilli: 1_000, memoryMiB: 1_024, diskMiB: 0 }
    const part = shareMilli > 0 ? { device: 0, shareMilli } : undefined
    cloud.script(`w-${token}`, [forever])
    const rank = { rank: 0, node: 'n0-0', shape: slice, ...(part && { part }) }
    return (await provider.launch(anOrderOf(token, { ranks: [rank] }), signal)).ok
  }
  const whether = [await launch('a', 6), await launch('b', 1), await launch('c', 0, 500), await launch('d', 0, 300)]
  assert.deepEqual(whether, [true, true, true, true])
  assert.deepEqual([await launch('e', 1), await launch('f', 0, 201), await launch('g', 0, 200)], [false, false, true])
  assert.deepEqual(
    cloud.meter().map(({ priceMicros }) => priceMicros),
    [6_000_001, 1_000_001, 500_001, 300_001, 200_001],
  )
})

test('nodes with names are marked in turn, one that is to be repaired has one taint more, and a cloud has a name', async () => {
  const racks = { nodes: 2, inBlock: 1, marks: [{ labels: { pool: 'a' } }, { taints: ['dedicated'] }] }
  const site = { ...aPlace('west', 3), racks }
  const cloud = createSimulated({ seed: 1, clock: createFakeClock(0), name: 'aws', sites: [site] })
  const provider = cloud.open()
  cloud.changeNode('west', 'n0-1', 'tainted')
  const told = await provider.abilities.inventory?.('west', new AbortController().signal)
  assert.ok(told?.ok)
  assert.deepEqual(
    told.value.map(({ labels = {}, taints = [], usable }) => ({ labels, taints, usable })),
    [
      { labels: { pool: 'a' }, taints: [], usable: true },
      { labels: {}, taints: ['dedicated', 'repair'], usable: true },
      { labels: { pool: 'a' }, taints: [], usable: true },
    ],
  )
  assert.deepEqual([provider.name, ...provider.sites().map((one) => one.provider)], ['aws', 'aws'])
})
