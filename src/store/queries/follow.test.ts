import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'pg'

import type { Change } from '#model/change.ts'
import type { Facts } from '#store/store.ts'
import { aStore } from '#rigs/postgres.ts'
import { aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, anArray, aNow } from '#test/builders.ts'

const asked = { now: aNow, most: 10, claimMs: 1000 }

test('two control planes never follow one workload at the same time', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  await submitted(
    store,
    Array.from({ length: 40 }, () => aJob({ expiry: '1d' })),
  )
  const found = await Promise.all([store, other, store, other].map(({ follow }) => follow.due(asked)))
  const ids = found.flat().map(({ workload }) => workload.id)
  assert.equal(ids.length, 40)
  assert.equal(new Set(ids).size, 40)
  assert.deepEqual(await store.follow.due(asked), [])
  assert.equal((await store.follow.due({ ...asked, now: aNow + 1000 })).length, 10)
})

test(
  'who claims workloads passes over those that another one is claiming, and waits for nobody',
  { timeout: 10_000 },
  async () => {
    await using store = await aStore()
    const ids = await submitted(
      store,
      Array.from({ length: 3 }, () => aJob({ expiry: '1d' })),
    )
    const claiming = new Client({ connectionString: store.url })
    await claiming.connect()
    await claiming.query('begin')
    await claiming.query('select id from workloads where id = $1 for no key update', [ids[0]])
    const found = await store.follow.due(asked)
    assert.deepEqual(found.map(({ workload }) => workload.id).sort(), ids.slice(1).sort())
    await claiming.query('rollback')
    await claiming.end()
    assert.equal((await store.follow.due(asked)).length, 1)
  },
)

test('a workload is followed from its placing on, or from its submission when a time is set for its end', async () => {
  await using store = await aStore()
  const [plain = '', limited = ''] = await submitted(store, [aJob(), aJob({ expiry: '1d' })])
  const due = async () => (await store.follow.due(asked)).map(({ workload }) => workload.id)
  assert.deepEqual(await due(), [limited])
  await held(store, [aPlacing(plain)])
  assert.deepEqual(await due(), [plain])
})

test('all is known that a decision needs', async () => {
  await using store = await aStore()
  await store.sites.put({ provider: 'local', name: 'west', jurisdictions: ['US'], patienceMs: 5000 }, aNow)
  const [id = ''] = await submitted(store, [anArray({ tasks: 100 })])
  const [before, after] = [aPlacing(id), aPlacing(id)]
  await held(store, [before])
  await store.apply([
    { change: 'lease', id: before.leaseId, to: 'lost' },
    { change: 'attempt', id: before.attemptId, to: 'lost', reason: '' },
    { change: 'replica-waits', workload: id, replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  await held(store, [after])
  const [facts] = await store.follow.due(asked)
  assert.deepEqual(
    facts?.attempts.map(({ number, lease, ranks }) => [number, lease.id, ranks.length]),
    [[2, after.leaseId, 1]],
  )
  assert.deepEqual(
    facts?.leftovers.map((lease) => lease.id),
    [before.leaseId],
  )
  assert.deepEqual(facts?.tasks, { succeeded: 0, failed: 0, leased: 0, waiting: 100 })
  assert.deepEqual(
    facts?.replicas.map(({ state, losses }) => [state, losses]),
    [['placed', 1]],
  )
  assert.equal(facts?.sites['local/west']?.patienceMs, 5000)
  assert.equal(facts?.spentMicros, 0n)
})

test('news that comes while a decision is made is not slept over', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [aJob({ expiry: '1d' }), aJob({ expiry: '1d' })])
  const decided = await store.follow.due(asked)
  const [quiet = '', busy = ''] = ids
  await store.workloads.want(busy, 'stop', { who: 'me', now: aNow + 5 })
  await store.apply(decided.map(slept))
  assert.equal(await store.follow.nextDueAt(), aNow + 5)
  const due = async (now: number) => (await store.follow.due({ ...asked, now })).map(({ workload }) => workload.id)
  assert.deepEqual(await due(aNow + 5), [busy])
  assert.deepEqual((await due(aNow + 60_000)).sort(), [quiet, busy].sort())
})

test('news that come while a decision takes longer than its claim are not slept over either', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const { leaseId: lease } = aPlacing(id)
  await held(store, [{ ...aPlacing(id), leaseId: lease }])
  const rank = { lease, rank: 0, exitCode: null, startedAt: null, endedAt: null }
  const exit = { state: 'exited', number: 1, address: '', ready: false, exit: null } as const
  const news: ((now: number) => Promise<unknown>)[] = [
    (now) => store.sites.saw([{ ...rank, state: 'running' }], now),
    (now) => store.agents.report(lease, { ...rank, ...exit, endpoints: [], waitMs: 0, seen: '' }, now),
    (now) => store.workloads.want(id, 'hold', { who: 'me', now }),
  ]
  let now = aNow
  for (const tell of news) {
    const decided = await store.follow.due({ ...asked, now })
    assert.equal(decided.length, 1)
    now += asked.claimMs
    await tell(now)
    await store.apply(decided.map(slept))
    assert.ok(((await store.follow.nextDueAt()) ?? Infinity) <= now, 'it is due')
  }
})

test('who decided before the news does not end the claim of who decides about them', async () => {
  await using store = await aStore()
  await using other = await aStore({ url: store.url })
  const [id = ''] = await submitted(store, [aJob({ expiry: '1d' })])
  const early = await store.follow.due(asked)
  await store.workloads.want(id, 'stop', { who: 'me', now: aNow })
  const late = await other.follow.due(asked) // both in the same millisecond
  assert.deepEqual([early.length, late.length], [1, 1])
  await store.apply(early.map(slept))
  // The other one dies now: its claim runs out, and the news is looked at again.
  const again = await store.follow.due({ ...asked, now: aNow + asked.claimMs + 1 })
  assert.deepEqual(
    again.map(({ workload }) => workload.wants),
    ['stop'],
  )
})

const slept = ({ workload, claim }: Facts): Change => ({
  change: 'look-again',
  id: workload.id,
  at: aNow + 60_000,
  claim,
})
