import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, submitted } from '#rigs/story.ts'
import type { Placed, Store } from '#store/store.ts'
import { aJob, aNow } from '#test/builders.ts'

const hour = 3_600_000
const planned = {
  deadline: new Date(aNow + 100 * hour).toISOString(),
  duration: { expected: '4h' },
  checkpoint: { every: '10m' },
}

const onSpot = (workload: string): Placed => {
  const placed = aPlacing(workload)
  if (placed.decision.placement) placed.decision.placement.tier = 'spot'
  return placed
}

const look = (store: Store, now = Date.now()) => store.placement.snapshot({ now, most: 9 })

test('who is planned to its deadline is read with what was seen of spot markets, and what it did there', async () => {
  await using store = await aStore()
  const [lost = '', keeps = '', other = ''] = await submitted(store, [aJob(planned), aJob(planned), aJob()])
  const [taken, kept] = [onSpot(lost), onSpot(keeps)]
  await held(store, [taken, kept, aPlacing(other)])
  await store.apply([{ change: 'attempt', id: taken.attemptId, to: 'running', reason: '' }])
  assert.equal((await look(store)).spot, undefined, 'nobody waits who is planned')
  await store.apply([
    { change: 'attempt', id: taken.attemptId, to: 'lost', reason: '' },
    { change: 'lease', id: taken.leaseId, to: 'lost' },
    { change: 'replica-waits', workload: lost, replica: 0, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  const { spot, waiting } = await look(store)
  assert.deepEqual(
    spot?.runs.map(({ site, shape, until, taken: isTaken }) => [site, shape, until !== null, isTaken]),
    [
      ['local/west', '16cpu', false, false],
      ['local/west', '16cpu', true, true],
    ],
  )
  assert.deepEqual(
    spot?.tries.map(({ workload }) => workload),
    [lost],
  )
  assert.deepEqual(
    waiting.map(({ workload }) => workload.id),
    [lost],
  )
  assert.equal(await store.placement.come([lost], Date.now()), null, 'it takes a look at everything')
  assert.deepEqual(
    (await look(store, Date.now() + 1000 * hour)).spot?.runs.length,
    1,
    'what ended long ago is not read',
  )
})

test('who runs on capacity that is not spot, with a deadline and saved work, is read with what it did, some at a time, whatever else it wants', async () => {
  await using store = await aStore()
  const lasting = aJob({ ...planned, placement: { tiers: ['on-demand'] } })
  const ids = await submitted(store, [aJob(planned), aJob(planned), lasting, aJob(), aJob(planned)])
  const [first = '', spot = '', second = '', other = '', starts = ''] = ids
  const placed = [aPlacing(first), onSpot(spot), aPlacing(second), aPlacing(other), aPlacing(starts)]
  await held(store, placed)
  await store.apply(
    placed.slice(0, 4).flatMap(({ attemptId, decision }) => [
      { change: 'attempt' as const, id: attemptId, to: 'running' as const, reason: '' },
      { change: 'workload' as const, id: decision.workload, to: 'running' as const, reason: '' },
    ]),
  )
  const read = (after: string, most: number) =>
    store.placement.snapshot({ now: Date.now(), most: 9, running: { workload: after, most } })
  const some = await read('', 1)
  const [one = '', two = ''] = [first, second].sort()
  assert.deepEqual(
    some.running?.map(({ workload, replica }) => [workload.id, replica.state]),
    [[one, 'placed']],
  )
  assert.deepEqual(
    (await read('', 9)).spot?.tries.map(({ workload }) => workload),
    [first],
    'who may not be on spot capacity is not planned on it',
  )
  const rest = await read(one, 9)
  assert.deepEqual(
    rest.running?.map(({ workload }) => workload.id),
    [two],
  )
  assert.deepEqual((await read(two, 9)).leases, [], 'nothing is read where there are none')
})

test('who goes back leaves what it holds by its own decision, and is told why', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob(planned)])
  const placed = aPlacing(id)
  await held(store, [placed])
  await store.apply([{ change: 'attempt', id: placed.attemptId, to: 'running', reason: '' }])
  const decision: Decision = {
    ...placed.decision,
    placement: null,
    preempts: [{ lease: placed.leaseId, workload: id, name: 'job' }],
    moves: true,
    goesBack: 'goes back to spot capacity',
  }
  assert.equal(await store.placement.commit(await aClaim(store), [], [decision], aNow), 0)
  const [attempt] = await store.workloads.attempts(id)
  assert.deepEqual(
    [attempt?.state, attempt?.reason, attempt?.lease?.state],
    ['stopping', decision.goesBack, 'stopping'],
  )
  const { preemptions = [] } = await look(store, aNow)
  assert.deepEqual(preemptions, [{ victim: id, by: id, project: 'default', at: aNow, isMove: true }])
})

test('who is planned stands alone in its line, for others of its spec have done more or less', async () => {
  await using store = await aStore()
  await submitted(store, [aJob(planned), aJob(planned), aJob(), aJob()])
  const needs = (await look(store)).waiting.map(({ need }) => need)
  assert.equal(new Set(needs).size, 3)
})
