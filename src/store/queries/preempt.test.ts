import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import { Project } from '#model/project.ts'
import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, submitted } from '#rigs/story.ts'
import type { Store } from '#store/store.ts'
import { aJob, anArray, aNow, aService } from '#test/builders.ts'

const preempting = (workload: string, victims: { leaseId: string; workload: string }[]): Decision => ({
  workload,
  replica: 0,
  placement: null,
  alternatives: [],
  rejections: [],
  refusal: { cause: 'capacity', text: 'it waits until others have left', next: [] },
  preempts: victims.map(({ leaseId, workload: id }) => ({ lease: leaseId, workload: id, name: 'low' })),
})

/** Two that run, and one that waits. */
async function aFullHouse(store: Store) {
  const [one = '', two = '', high = ''] = await submitted(store, [aJob(), aJob(), aJob({ name: 'high', priority: 9 })])
  const placed = [aPlacing(one), aPlacing(two)]
  await held(store, placed)
  const victims = placed.map(({ leaseId, decision }) => ({ leaseId, workload: decision.workload }))
  return { victims, high, one, two }
}

const commit = async (store: Store, decision: Decision, now = aNow) =>
  store.placement.commit(await aClaim(store), [], [decision], now)

test('who has to leave for somebody stops with the reason, is retired, and is remembered', async () => {
  await using store = await aStore()
  const { victims, high, one } = await aFullHouse(store)
  assert.notEqual(await commit(store, preempting(high, victims)), null)
  const [attempt] = await store.workloads.attempts(one)
  assert.equal(attempt?.state, 'stopping')
  assert.equal(attempt?.reason, 'preempted for high of project default')
  assert.equal(attempt?.lease?.state, 'stopping')
  const retiring = await store.operations.claim({ kind: 'retire', holder: 'me', now: aNow, most: 9, seconds: 60 })
  assert.deepEqual(retiring.map(({ lease }) => lease).sort(), victims.map(({ leaseId }) => leaseId).sort())
  const { preemptions = [], leases } = await store.placement.snapshot({ now: aNow, most: 9 })
  assert.deepEqual(
    preemptions.map(({ by, at }) => [by, at]),
    [
      [high, aNow],
      [high, aNow],
    ],
  )
  const ends = leases.flatMap(({ ends: known }) => known ?? [])
  assert.deepEqual(ends, [aNow + 30_000, aNow + 30_000], 'they are there until their grace is over')
})

test('where one of those who were to leave together has left, nobody is stopped, and nobody is told that they leave', async () => {
  await using store = await aStore()
  const { victims, high, one, two } = await aFullHouse(store)
  const [attempt] = await store.workloads.attempts(two)
  await store.apply([{ change: 'attempt', id: attempt?.id ?? '', to: 'succeeded', reason: '' }])
  assert.notEqual(await commit(store, preempting(high, victims)), null)
  assert.equal((await store.workloads.attempts(one))[0]?.state, 'starting')
  assert.equal(await store.workloads.refusal(high), null)
  assert.equal((await store.workloads.get(high))?.reason, '')
  assert.notEqual(await commit(store, preempting(high, victims.slice(0, 1))), null)
  assert.equal((await store.workloads.get(high))?.reason, 'it waits until others have left')
})

test('whose attempt is stopping leaves anyway, so that nobody is asked to leave with it in vain', async () => {
  await using store = await aStore()
  await store.projects.put(Project.parse({ name: 'default', preemption: { within: 'lower-priority' } }))
  const { victims, two } = await aFullHouse(store)
  const [attempt] = await store.workloads.attempts(two)
  await store.apply([{ change: 'attempt', id: attempt?.id ?? '', to: 'stopping', reason: '' }])
  const { leases } = await store.placement.snapshot({ now: aNow, most: 9 })
  const leaving = leases.filter(({ leaves }) => leaves)
  assert.deepEqual(
    leaving.map(({ id }) => id),
    [victims[1]?.leaseId],
  )
  assert.equal(leaving[0]?.endsAt, aNow + 30_000)
})

test('nobody leaves for work that does not want to run any more', async () => {
  await using store = await aStore()
  const { victims, high, one } = await aFullHouse(store)
  await store.workloads.want(high, 'stop', { who: 'me', now: aNow })
  assert.notEqual(await commit(store, preempting(high, victims)), null)
  assert.equal((await store.workloads.attempts(one))[0]?.state, 'starting')
})

test('an old preemption is forgotten when one of the two has ended, and counts for an hour', async () => {
  await using store = await aStore()
  const { victims, high } = await aFullHouse(store)
  await commit(store, preempting(high, victims))
  const at = async (now: number) => (await store.placement.snapshot({ now, most: 9 })).preemptions?.length
  assert.equal(await at(aNow + 7_200_000), 2)
  await store.apply([{ change: 'workload', id: high, to: 'stopped', reason: '' }])
  assert.equal(await at(aNow + 3_599_999), 2)
  assert.equal(await at(aNow + 3_600_001), 0)
})

test('leases are read one by one where somebody may have to leave', async () => {
  await using store = await aStore()
  await aFullHouse(store)
  const all = async () => (await store.placement.snapshot({ now: aNow, most: 9 })).leases
  assert.deepEqual(
    (await all()).map(({ times }) => times),
    [2],
  )
  await store.projects.put(
    Project.parse({ name: 'lab', preemption: { within: 'lower-priority', reclaim: 'never', perHour: null } }),
  )
  assert.deepEqual(
    (await all()).map(({ times, priority, since, leaves }) => [times, priority, typeof since, leaves]),
    [
      [1, 0, 'number', false],
      [1, 0, 'number', false],
    ],
  )
})

test('who is moved is told so, and moves are remembered apart', async () => {
  await using store = await aStore()
  const { victims, high, one, two } = await aFullHouse(store)
  const [first, second] = victims
  assert.ok(first && second)
  await commit(store, { ...preempting(high, [first]), moves: true })
  await commit(store, preempting(high, [second]))
  assert.equal((await store.workloads.attempts(one))[0]?.reason, 'moved to make room for high of project default')
  const { preemptions = [] } = await store.placement.snapshot({ now: aNow, most: 9 })
  assert.deepEqual(
    new Map(preemptions.map(({ victim, isMove }) => [victim, isMove])),
    new Map([
      [one, true],
      [two, false],
    ]),
  )
})

test('who saves its work may be moved, and is told of when that is asked for', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [aJob(), aJob({ checkpoint: { every: '10m' } }), anArray(), aService()])
  await held(
    store,
    ids.map((id) => aPlacing(id)),
  )
  const { leases } = await store.placement.snapshot({ now: aNow, most: 9, moves: true })
  assert.deepEqual(
    ids.map((id) => leases.find(({ workload }) => workload === id)?.movable),
    [false, true, true, false],
  )
})

test('where somebody may have to leave, it is read how often each says that it writes a checkpoint', async () => {
  await using store = await aStore()
  const ids = await submitted(store, [aJob({ checkpoint: { every: '10m' } }), aJob()])
  await held(
    store,
    ids.map((id) => aPlacing(id)),
  )
  const every = async () => {
    const { leases } = await store.placement.snapshot({ now: aNow, most: 9 })
    return ids.map((id) => leases.find(({ workload }) => workload === id)?.savesEveryMs)
  }
  assert.ok((await every()).every((one) => typeof one !== 'number'))
  await store.projects.put(
    Project.parse({ name: 'lab', preemption: { within: 'lower-priority', reclaim: 'never', perHour: null } }),
  )
  assert.deepEqual(await every(), [600_000, null])
})
