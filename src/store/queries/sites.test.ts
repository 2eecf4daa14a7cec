import assert from 'node:assert/strict'
import { test } from 'node:test'

import { meter } from '#engine/metering/meter.ts'
import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, reached, submitted } from '#rigs/story.ts'
import { aJob, aNow } from '#test/builders.ts'

const ranks = (lease: string, ...states: ('expected' | 'running' | 'exited' | 'lost')[]) =>
  states.map((state, rank) => ({ lease, rank, state, exitCode: null, startedAt: aNow, endedAt: null }))

test('of a site only those leases are read that a listing shows otherwise than they are known, or not whole', async () => {
  await using store = await aStore()
  const ids = await submitted(
    store,
    Array.from({ length: 7 }, () => aJob({ nodes: 2 })),
  )
  const placed = ids.map((id) => aPlacing(id, { nodes: 2 }))
  await held(store, placed)
  const [same = '', other = '', absent = '', ending = '', exited = '', unseen = '', partial = ''] = placed.map(
    ({ leaseId }) => leaseId,
  )
  await store.sites.saw(
    [same, other, absent, ending, partial].flatMap((lease) => ranks(lease, 'running', 'running')),
    aNow,
  )
  await store.sites.saw(ranks(exited, 'exited', 'running'), aNow)
  await store.apply([{ change: 'lease', id: ending, to: 'stopping' }])
  const listed = [
    ...ranks(same, 'running', 'running'),
    ...ranks(other, 'running', 'lost'),
    ...ranks(exited, 'lost', 'running'),
    ...ranks(unseen, 'expected', 'expected'),
    ...ranks('l-none', 'running'),
    ...ranks(partial, 'running'),
  ]
  const differing = await store.sites.differing('local/west', listed)
  assert.deepEqual(
    differing.map(({ id, ranksSeen }) => [id, ranksSeen.length]),
    [
      [other, 2],
      [absent, 2],
      [partial, 2],
    ].sort(),
  )
  assert.deepEqual(await store.sites.differing('local/east', listed), [])
  assert.equal(await store.sites.count('local/west'), 7)
  assert.equal(await store.sites.count('local/east'), 0)
})

test('of a site that answers it is told once what will keep us from it before long, for as long as it is so', async () => {
  await using store = await aStore()
  await store.sites.put({ provider: 'local', name: 'west', jurisdictions: ['SE'], patienceMs: 5000 }, aNow)
  const told = async (detail: string, after: number, reach: 'reachable' | 'denied' = 'reachable') => {
    await reached(store, { reach, detail, since: aNow + after })
    const [site] = await store.sites.list()
    const types = (await store.events.since(null, { most: 20 })).map(({ type }) => type)
    return [
      site?.reach,
      site?.detail,
      (site?.since ?? 0) - aNow,
      types.filter((type) => type.startsWith('site.')).length,
    ]
  }
  assert.deepEqual(await told('it ends', 60_000), ['reachable', 'it ends', 0, 1])
  assert.deepEqual(await told('it ends', 120_000), ['reachable', 'it ends', 0, 1])
  assert.deepEqual(await told('it ends soon', 180_000), ['reachable', 'it ends soon', 0, 1])
  assert.deepEqual(await told('', 240_000), ['reachable', '', 0, 1])
  assert.deepEqual(await told('it ends', 300_000), ['reachable', 'it ends', 0, 2])
  assert.deepEqual(await told('it ended', 360_000, 'denied'), ['denied', 'it ended', 360_000, 3])
  assert.deepEqual(await told('', 420_000), ['reachable', '', 420_000, 4])
  const warned = (await store.events.since(null, { most: 20 })).find(({ type }) => type === 'site.warned')
  assert.deepEqual([warned?.message, warned?.data], ['local/west: it ends', { site: 'local/west', detail: 'it ends' }])
})

test('where a rank serves is read again only when it changed, and goes to the endpoints', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({})])
  const one = aPlacing(id)
  await held(store, [one])
  const rank = { lease: one.leaseId, rank: 0, state: 'running' } as const
  const seen = { ...rank, exitCode: null, startedAt: aNow, endedAt: null }
  const serving = { ready: true, address: '10.0.0.7', endpoints: ['10.0.0.7:8080'] }
  const differs = async (ready: boolean, address: string) =>
    (await store.sites.differing('local/west', [{ ...rank, ready, address }])).length > 0
  await store.sites.saw([seen], aNow)
  assert.ok(await differs(true, '10.0.0.7'))
  await store.sites.saw([{ ...seen, serving }], aNow)
  assert.deepEqual(
    [await differs(true, '10.0.0.7'), await differs(false, '10.0.0.7'), await differs(true, '10.0.0.8')],
    [false, true, true],
  )
  const [lease] = await store.sites.differing('local/west', [{ ...rank, ready: false, address: '10.0.0.7' }])
  assert.deepEqual(lease?.ranksSeen[0]?.endpoints, serving.endpoints)
  await store.sites.saw([{ ...seen, serving: { ...serving, ready: false } }], aNow)
  assert.equal(await differs(false, '10.0.0.7'), false)
})

test("ranks that were seen on one another's nodes hold them from then on", async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({ nodes: 2 })])
  const one = aPlacing(id, { nodes: 2 })
  for (const [at, rank] of (one.decision.placement?.ranks ?? []).entries()) rank.node = `n${at}`
  await held(store, [one])
  const seen = ranks(one.leaseId, 'running').map((rank) => ({ ...rank, node: 'n1' }))
  await store.sites.saw(seen, aNow)
  const [lease] = await store.sites.differing('local/west', ranks(one.leaseId, 'lost'))
  assert.deepEqual(
    lease?.ranks.map(({ node }) => node),
    ['n1', 'n0'],
  )
})

test('what stands in line is not billed, and from when on it is held it is', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({})])
  const one = aPlacing(id)
  assert.ok(await store.placement.commit(await aClaim(store), [one], [], aNow))
  await store.apply([{ change: 'lease', id: one.leaseId, to: 'starting', inLine: true }])
  assert.deepEqual(await store.ledger.unmetered(10), [])
  await store.sites.began([{ lease: one.leaseId, since: aNow + 5_000 }], aNow + 7_000)
  await store.sites.began([{ lease: one.leaseId, since: aNow + 6_000 }], aNow + 8_000)
  const [lease] = await store.ledger.unmetered(10)
  assert.deepEqual([lease?.state, lease?.startedAt, lease?.meteredUntil], ['starting', aNow + 5_000, aNow + 5_000])
})

test('who was heard before its site told since when it is held is billed from then on, as long as nothing was written', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({})])
  const one = aPlacing(id)
  await held(store, [one])
  const begins = async (since: number): Promise<number | null | undefined> => {
    await store.sites.began([{ lease: one.leaseId, since }], aNow + 1e12)
    return (await store.ledger.unmetered(10))[0]?.startedAt
  }
  const [lease] = await store.ledger.unmetered(10)
  assert.ok(lease?.startedAt && lease.startedAt > aNow + 1_000)
  const heard = lease.startedAt
  assert.equal(await begins(heard + 1), heard, 'it was there already')
  assert.equal(await begins(aNow + 1_000), aNow + 1_000)
  await store.ledger.add(meter({ ...lease, startedAt: aNow + 1_000, meteredUntil: aNow + 1_000 }, aNow + 60_000))
  assert.equal(await begins(aNow), aNow + 1_000, 'that is in the ledger')
})
