import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'pg'

import type { Placed, Store } from '#store/store.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, reached, submitted } from '#rigs/story.ts'
import { aJob, aNow, anArray, anOffer, aSite } from '#test/builders.ts'

const onSpot = (placed: Placed): Placed => ({
  ...placed,
  decision: {
    ...placed.decision,
    placement: placed.decision.placement && { ...placed.decision.placement, tier: 'spot' },
  },
})

const startedAt = async (store: Store, workload: string): Promise<number> =>
  (await store.workloads.attempts(workload))[0]?.lease?.startedAt ?? assert.fail()

test('it is told how long spot nodes were held, and how many leases were lost; old times count less', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [aJob(), aJob(), aJob()])
  const [kept, lost, other] = ids.map((id, at) => aPlacing(id, { nodes: at + 1 }))
  if (!kept || !lost || !other) assert.fail()
  await held(store, [onSpot(kept), onSpot(lost), other])
  await store.apply([
    { change: 'attempt', id: lost.attemptId, to: 'lost', reason: '' },
    { change: 'lease', id: lost.leaseId, to: 'lost' },
  ])
  const began = await startedAt(store, ids[0] ?? '')
  const hour = 3_600_000
  const [seen, ...more] = await store.market.spot({ site: 'local/west', now: began + 10 * hour, halfLifeMs: 10 * hour })
  assert.deepEqual([seen?.shape, more.length], ['16cpu', 0])
  assert.ok(Math.abs((seen?.nodeHours ?? 0) - 10) < 0.01, `${seen?.nodeHours}`)
  assert.ok(Math.abs((seen?.taken ?? 0) - 0.5) < 0.01, `${seen?.taken}`)
  assert.deepEqual(await store.market.spot({ site: 'local/east', now: began, halfLifeMs: hour }), [])
  // What runs counts whatever its age; what ended ten half-lives ago is not even read.
  const [late] = await store.market.spot({ site: 'local/west', now: began + 100 * hour, halfLifeMs: hour })
  assert.deepEqual([Math.round(late?.nodeHours ?? 0), late?.taken], [100, 0])
})

test('what leaves after a notice of its site counts as taken, however it ends', async () => {
  await using store = await aStore()
  const [told] = (await submitted(store, [aJob()])).map((id) => onSpot(aPlacing(id)))
  if (!told) assert.fail()
  await held(store, [told])
  const rank = { lease: told.leaseId, rank: 0, exitCode: null, startedAt: aNow, endedAt: null }
  await store.sites.saw([{ ...rank, state: 'running', leavesAt: aNow + 30_000 }], aNow)
  await store.apply([
    { change: 'attempt', id: told.attemptId, to: 'stopped', reason: '' },
    { change: 'lease', id: told.leaseId, to: 'stopping' },
  ])
  const [seen] = await store.market.spot({ site: 'local/west', now: Date.now(), halfLifeMs: 3_600_000 })
  assert.ok((seen?.taken ?? 0) > 0.9, `${seen?.taken}`)
})

test('however many run on spot at a site, those that were lost there are counted', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [aJob(), aJob()])
  const [kept, lost] = ids.map((id) => aPlacing(id))
  if (!kept || !lost) assert.fail()
  await held(store, [onSpot(kept), onSpot(lost)])
  await store.apply([
    { change: 'attempt', id: lost.attemptId, to: 'lost', reason: '' },
    { change: 'lease', id: lost.leaseId, to: 'lost' },
  ])
  const client = new Client({ connectionString: store.url })
  await client.connect()
  await client.query(
    `insert into leases select (jsonb_populate_record(l, jsonb_build_object('id', 'copy-' || i))).*
     from leases l, generate_series(1, 20001) i where l.id = $1`,
    [kept.leaseId],
  )
  await client.end()
  const [seen] = await store.market.spot({ site: 'local/west', now: aNow, halfLifeMs: 3_600_000 })
  assert.ok((seen?.taken ?? 0) > 0.9, `${seen?.taken}`)
})

const data = (site: string) => [{ name: 'corpus', location: 's3://corpus', site, size: '1GB' }]

test('it is told when sites or their offers have changed, but not that they are younger', async () => {
  await using store = await aStore()
  assert.deepEqual(await store.market.sites(), { count: 0, version: '' })
  const { info } = aSite()
  await store.sites.put(info, aNow)
  await store.sites.offered('local/west', [anOffer()], null, aNow)
  const before = await store.market.sites()
  await store.sites.offered('local/west', [anOffer({ asOf: aNow + 1 })], null, aNow + 1)
  assert.deepEqual(await store.market.sites(), before)
  await store.sites.offered('local/west', [anOffer({ price: 2 })], null, aNow + 2)
  assert.notEqual((await store.market.sites()).version, before.version)
  await reached(store, { reach: 'unreachable', since: aNow, detail: 'gone' })
  assert.equal((await store.market.sites()).count, 0)
})

test('it is told how much data left each site for work elsewhere', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [
    aJob({ data: data('local/home') }),
    aJob({ data: data('local/west') }),
    aJob({ data: [{ name: 'corpus', location: 's3://corpus' }] }),
    anArray({ tasks: 32, parallelism: 32, data: data('local/home') }),
  ])
  await held(
    store,
    ids.map((id) => aPlacing(id)),
  )
  const gigabyte = 1024n * 1_048_576n
  assert.deepEqual(await store.market.sent(0), new Map([['local/home', gigabyte + gigabyte / 4n]]))
  assert.deepEqual(await store.market.sent(aNow + 1e12), new Map())
})
