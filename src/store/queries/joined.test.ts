import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anOffer, aNow } from '#test/builders.ts'

const west = { provider: 'local' as const, name: 'west', jurisdictions: ['DE'], patienceMs: 30_000 }
const declaration = { name: 'west', context: 'prod' }

test('a joined site is there once, offers nothing while it is being left, and goes when no lease is live there', async () => {
  await using store = await aStore()
  assert.equal(await store.joined.add(west, declaration, aNow), true)
  assert.equal(await store.joined.add(west, { name: 'other' }, aNow), false)
  await store.sites.put(west, aNow)
  await store.sites.offered('local/west', [anOffer({ site: 'west' })], null, aNow)
  const [id = ''] = await submitted(store, [aJob()])
  const placing = aPlacing(id)
  await held(store, [placing])
  assert.deepEqual(await store.joined.list(), [
    { key: 'local/west', provider: 'local', site: west, declaration, leaving: null },
  ])
  assert.equal(await store.joined.remove('local/west', aNow), false, 'nobody leaves it')
  assert.equal(await store.joined.leave('local/east', { stop: false, now: aNow }), null)

  await store.joined.leave('local/west', { stop: false, now: aNow + 1 })
  const [before] = await store.joined.list()
  assert.ok(before?.leaving)
  const looked = { ...before.leaving, remains: [{ what: '1 gang is there', fix: null }] }
  await store.joined.remains('local/west', looked)
  const [being] = await store.sites.list()
  assert.deepEqual([being?.offers, being?.leaving?.remains.length], [[], 1])
  const stopped = await store.joined.leave('local/west', { stop: true, now: aNow + 2 })
  assert.deepEqual(stopped, { since: aNow + 1, stopAt: aNow + 2, goneAt: null, remains: [] })
  await store.joined.remains('local/west', looked)
  assert.deepEqual((await store.joined.list())[0]?.leaving, stopped, 'what a look saw that began before is old')
  await store.joined.leave('local/west', { stop: false, gone: true, now: aNow + 3 })
  const again = await store.joined.leave('local/west', { stop: false, now: aNow + 4 })
  assert.deepEqual([again?.stopAt, again?.goneAt], [aNow + 2, aNow + 3], 'what was asked before stays so')

  assert.equal(await store.joined.remove('local/west', aNow), false, 'a lease is live there')
  for (const to of ['stopping', 'gone'] as const) await store.apply([{ change: 'lease', id: placing.leaseId, to }])
  assert.equal(await store.sites.forget('local/west'), false, 'it is forgotten by leaving it alone')
  assert.equal(await store.joined.remove('local/west', aNow), true)
  assert.deepEqual(await store.sites.list(), [])
  const events = await store.events.latest({ most: 100 })
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type.startsWith('site.')),
    ['site.joined', 'site.leaving', 'site.left'],
  )
})
