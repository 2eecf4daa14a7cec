import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { Client } from 'pg'

import { costMicros } from '#kit/money.ts'
import { fail } from '#model/fault.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { createWorld } from '#simulator/world.ts'
import { aJob } from '#test/builders.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'
import { follow } from './follow.ts'
import { launch } from './launch.ts'
import { meter } from './meter.ts'
import { observe } from './observe.ts'
import { retire } from './retire.ts'

const signal = new AbortController().signal
const shape = {
  name: 'sim',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 8000,
  memoryMiB: 16_384,
  diskMiB: 65_536,
}
const pool = { tier: 'on-demand' as const, shape, priceMicros: 3_600_000, nodes: 4 }
const west = { name: 'west', jurisdictions: ['DE'], patienceMs: 20_000, pools: [pool] }

const dies = () => Promise.reject(new Error('killed'))

/** A house whose control plane died after the provider took the order of a job, and before it wrote the answer. */
async function anUnanswered(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const reconcilers = [observe, follow, retire, meter]
  const world = createWorld({ store, clock, reconcilers, seed: 1, sites: [west], faults: { callMs: [0, 0] } })
  const [id = ''] = await submitted(store, [aJob()], clock.now())
  world.cloud.script(id, [{ prints: '', runMs: Infinity, exitCode: 0, stubborn: false }])
  await observe.turn(world.house, signal)
  await admit.turn(world.house, signal)
  const dying = { ...world.house, store: { ...store, operations: { ...store.operations, settle: dies } } }
  await assert.rejects(launch.turn(dying, signal), /killed/)
  const sql = new Client({ connectionString: store.url })
  await sql.connect()
  await sql.query('update operations set claimed_until = now()').finally(() => sql.end())
  await store.workloads.want(id, 'stop', { who: 'me', now: clock.now() })
  const lease = async () => (await store.workloads.attempts(id))[0]?.lease
  const gone = () => world.runUntil(async () => (await lease())?.state === 'gone', 60_000)
  const spent = async () => {
    await world.runUntil(async () => (await store.ledger.unmetered(9)).length === 0, 60_000)
    return (await store.ledger.spent('workload', [id])).get(id) ?? 0n
  }
  return { ...world, store, id, lease, gone, spent }
}

test('a lease whose launch was never answered is billed when it is stopped, if its provider shows it', async (t) => {
  const { clock, lease, gone, spent } = await anUnanswered(t)
  const launchedAt = clock.now()
  await clock.advance(30_000)
  assert.ok(await gone())
  const { startedAt, endedAt } = (await lease()) ?? {}
  assert.ok(startedAt && endedAt && endedAt - startedAt >= 30_000 && startedAt >= launchedAt, `${startedAt}–${endedAt}`)
  assert.equal(await spent(), costMicros(3_600_000n, endedAt - startedAt))
})

test('a lease that was lost before its launch was answered is billed if its site shows it when it is back', async (t) => {
  const { clock, cloud, lease, gone, spent, runFor } = await anUnanswered(t)
  cloud.cut('west')
  await runFor(60_000)
  assert.equal((await lease())?.state, 'lost')
  const backAt = clock.now()
  cloud.restore('west')
  assert.ok(await gone())
  const { startedAt, endedAt } = (await lease()) ?? {}
  assert.ok(startedAt && endedAt && startedAt < backAt && endedAt >= backAt, `${startedAt}–${endedAt}`)
  assert.equal(await spent(), costMicros(3_600_000n, endedAt - startedAt))
})

test('a lease whose launch was never answered is billed as well if the first answers about it are lost', async (t) => {
  const { cloud, lease, gone, spent } = await anUnanswered(t)
  cloud.befall('west', 'lost-reply', { calls: ['get'], times: 2 })
  assert.ok(await gone())
  const { startedAt, endedAt } = (await lease()) ?? {}
  assert.ok(startedAt && endedAt && endedAt > startedAt, `${startedAt}–${endedAt}`)
  assert.equal(await spent(), costMicros(3_600_000n, endedAt - startedAt))
})

test('a lease whose launch never reached its provider costs nothing', async (t) => {
  const { cloud, lease, gone, spent } = await anUnanswered(t)
  cloud.lose('west')
  cloud.restore('west')
  assert.ok(await gone())
  assert.equal((await lease())?.startedAt, null)
  assert.equal(await spent(), 0n)
})

test('all calls of one try of a retirement end together, before the claim to it does', async (t) => {
  const { house, runUntil } = await anUnanswered(t)
  const provider = house.providers.get('simulated')
  assert.ok(provider)
  const deadlines: AbortSignal[][] = [[], []]
  house.providers.set('simulated', {
    ...provider,
    get: (handle, within) => (deadlines[0]?.push(within), provider.get(handle, within)),
    retire: (handle, graceMs, within) => (deadlines[1]?.push(within), provider.retire(handle, graceMs, within)),
  })
  assert.ok(await runUntil(async () => deadlines.every((some) => some.length > 0), 60_000))
  assert.equal(deadlines[0]?.[0], deadlines[1]?.[0])
})

test('machines are kept ten minutes for logs that their site does not give, and then it is said that those are missing', async (t) => {
  const { house, clock, lease, runFor } = await anUnanswered(t)
  const provider = house.providers.get('simulated')
  assert.ok(provider)
  house.providers.set('simulated', { ...provider, logs: async () => fail('unreachable', 'later', 'a node is silent') })
  const added = t.mock.method(house.archive, 'add')
  const began = clock.now()
  await runFor(590_000)
  assert.equal((await lease())?.state, 'stopping')
  await runFor(60_000)
  const { state, endedAt } = (await lease()) ?? {}
  assert.ok(state === 'gone' && endedAt && endedAt >= began + 590_000, `${state} at ${endedAt}`)
  const [said] = added.mock.calls.map(({ arguments: [, , { bytes }] }) => Buffer.from(bytes).toString())
  assert.equal(said, '\nisobar: the rest of this log is missing: west answered, and did not give it for 10m\n')
})
