import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aCloud, aPlace, forever } from '#rigs/simulated-cloud.ts'

test('what there is changes when it is told to; what runs goes on, and is paid as it was', async () => {
  const changes = [
    { site: 'west', at: 1_000, nodes: 2, priceMicros: 5_000_000 },
    { site: 'west', at: 2_000, nodes: 6 },
    { site: 'east', at: 0, nodes: 0 },
  ]
  const { clock, cloud, launch, offer } = aCloud({ changes })
  cloud.script('w', [forever])
  assert.equal(await launch('a', { workload: 'w', nodes: 3 }), 'ok')
  await clock.advance(1_000)
  assert.deepEqual([(await offer()).available, (await offer()).priceMicros], [2, 5_000_000])
  assert.equal(await launch('b', { workload: 'w' }), 'no-capacity')
  await clock.advance(1_000)
  assert.equal(await launch('b', { workload: 'w', nodes: 3 }), 'ok')
  assert.deepEqual(
    cloud.meter().map(({ priceMicros }) => priceMicros),
    [3 * 3_999_999, 15_000_000],
  )
  cloud.change('west', { nodes: 7 })
  assert.deepEqual([await launch('c'), await launch('d')], ['ok', 'no-capacity'])
})

test('a quota is kept with an error of its own, and may be raised', async () => {
  const { cloud, launch } = aCloud({}, { sites: [{ ...aPlace('west', 8), quota: 3 }] })
  assert.deepEqual([await launch('a', { nodes: 2 }), await launch('b', { nodes: 2 })], ['ok', 'quota'])
  cloud.change('west', { quota: 4 })
  assert.equal(await launch('b', { nodes: 2 }), 'ok')
  cloud.change('west', { quota: null })
  assert.deepEqual([await launch('c', { nodes: 4 }), await launch('d')], ['ok', 'no-capacity'])
})

test('offers may be old or false, and then only the launch tells that there is nothing', async () => {
  const { clock, cloud, launch, offer } = aCloud({ lagMs: [10_000, 10_000] })
  await clock.advance(100_000)
  cloud.change('west', { nodes: 0, priceMicros: 1 })
  assert.deepEqual([(await offer()).available, (await offer()).asOf], [0, 100_000])
  cloud.befall('west', 'old-offers', { times: 1 })
  const { available, asOf, priceMicros } = await offer()
  assert.deepEqual([available, asOf, priceMicros], [8, 90_000, 3_999_999])
  cloud.befall('west', 'false-offers', { times: 1 })
  assert.deepEqual([(await offer()).available, (await offer()).available], [8, 0])
  assert.equal(await launch('a'), 'no-capacity')
})

test('nodes and prices swing between their bounds, anew in each span of time, and the same again', async () => {
  const swings = { everyMs: 1_000, nodes: [50, 100] as [number, number], price: [100, 200] as [number, number] }
  const run = async () => {
    const { clock, offer } = aCloud({ swings }, { sites: [aPlace('west', 100)] })
    const seen: [number, number][] = []
    for (let i = 0; i < 100; i++) {
      const { available = -1, priceMicros } = await offer()
      seen.push([available, priceMicros])
      await clock.advance(500)
    }
    return seen
  }
  const seen = await run()
  assert.deepEqual(await run(), seen)
  assert.deepEqual(seen[0], seen[1])
  assert.ok(new Set(seen.map(([nodes]) => nodes)).size > 20)
  assert.ok(seen.every(([nodes]) => nodes >= 50 && nodes <= 100))
  assert.ok(seen.every(([, price]) => price >= 3_999_999 && price <= 7_999_998))
})

test('a site that is lost in a window has lost all that ran there from its beginning, and answers at its end', async () => {
  const windows = [{ site: 'west', from: 5_000, to: 9_000, trouble: 'lost' as const }]
  const { clock, cloud, launch, list, befell } = aCloud({ windows, lateMs: [1_000, 1_000] })
  cloud.script('w-a', [forever])
  await launch('a')
  await clock.advance(4_500)
  cloud.befall('west', 'late', { calls: ['launch'] })
  await launch('b')
  await clock.advance(1_500)
  assert.deepEqual([await list(), cloud.used('west'), cloud.meter()[0]?.to], ['unreachable', [0], 5_000])
  assert.equal(await launch('c'), 'unreachable')
  await clock.advance(3_000)
  assert.deepEqual(await list(), [], 'what came while it was lost is lost as well')
  assert.ok(befell().includes('  lost'))
})

test('outages come at their rate and are over in time; some lose all that runs', async () => {
  const outages = { perHour: 2, lastMs: [60_000, 120_000] as [number, number], lost: 0.5 }
  const { clock, cloud, list } = aCloud({ outages })
  let away = 0
  for (let minute = 0; minute < 6_000; minute++) {
    if ((await list()) === 'unreachable') away++
    await clock.advance(60_000)
  }
  assert.ok(Math.abs(away - 300) < 90, `away in ${away} of 6000 minutes`)
  const lost = cloud.befell().filter(({ fault }) => fault === 'lost').length
  assert.ok(Math.abs(lost - 100) < 40, `lost ${lost} times`)
})

test('a site that is lost for good is never back', async () => {
  const { cloud, launch, list } = aCloud()
  await launch('a')
  cloud.lose('west', true)
  cloud.restore('west')
  cloud.calm('west')
  assert.deepEqual([await list(), await launch('b'), cloud.used('west')], ['unreachable', 'unreachable', [0]])
})
