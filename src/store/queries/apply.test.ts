import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Change } from '#model/change.ts'
import { leaseMoves, type LeaseState } from '#model/lease.ts'
import { mayMove } from '#model/moves.ts'
import { hearing } from '#rigs/admission.ts'
import { clockAt } from '#rigs/clock.ts'
import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, aNow } from '#test/builders.ts'

test('a lease only ever moves as its table says, whatever is asked of it', async () => {
  await using store = await aStore()
  const claim = await aClaim(store)
  const states = Object.keys(leaseMoves) as LeaseState[] // keys of the table
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...states), { minLength: 1, maxLength: 6 }), async (asked) => {
      const [id = ''] = await submitted(store, [aJob()])
      const placed = aPlacing(id)
      await store.placement.commit(claim, [placed], [], aNow)
      let expected: LeaseState = 'wanted'
      for (const to of asked) if (mayMove(leaseMoves, expected, to)) expected = to
      await store.apply(asked.map((to) => ({ change: 'lease', id: placed.leaseId, to })))
      assert.equal((await store.workloads.attempts(id))[0]?.lease?.state, expected)
    }),
    { numRuns: 40 },
  )
})

test('billing begins when a lease starts and ends when it is over', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  const lease = async () => (await store.workloads.attempts(id))[0]?.lease
  await held(store, [placed])
  assert.deepEqual(
    [(await lease())?.startedAt, (await lease())?.meteredUntil, (await lease())?.endedAt],
    [aNow, aNow, null],
  )
  now += 500
  await store.apply([{ change: 'lease', id: placed.leaseId, to: 'stopping' }])
  assert.equal((await lease())?.endedAt, null)
  now += 500
  await store.apply([{ change: 'lease', id: placed.leaseId, to: 'gone' }])
  assert.deepEqual([(await lease())?.startedAt, (await lease())?.endedAt], [aNow, aNow + 1000])
})

test('a lease that is to be retired twice in one decision is retired once, and what else was decided is written', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const retire: Change = { change: 'retire', lease: placed.leaseId, site: 'local/west' }
  const running: Change = { change: 'attempt', id: placed.attemptId, to: 'running', reason: '' }
  assert.equal(await store.apply([retire, running, retire]), 2)
  const options = { kind: 'retire', holder: 'me', now: Number.MAX_SAFE_INTEGER, most: 9, seconds: 60 } as const
  assert.equal((await store.operations.claim(options)).length, 1)
})

test('a lease that is stopped while its provider takes the order is billed until it is gone', async () => {
  let now = aNow
  await using store = await aStore({ clock: clockAt(() => now) })
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await store.placement.commit(await aClaim(store), [placed], [], aNow)
  const move = (to: LeaseState): Promise<number> => store.apply([{ change: 'lease', id: placed.leaseId, to }])
  await move('stopping')
  await move('starting')
  now += 1000
  await move('gone')
  const lease = (await store.workloads.attempts(id))[0]?.lease
  assert.deepEqual([lease?.state, lease?.startedAt, lease?.endedAt], ['gone', aNow, aNow + 1000])
})

test('a lease is retired once, whoever asks again, and a lost one stays lost', async () => {
  await using store = await aStore()
  const [first = '', second = ''] = await submitted(store, [aJob(), aJob()])
  const [one, two] = [aPlacing(first), aPlacing(second)]
  await held(store, [one, two])
  const retire: Change[] = [one, two].map(({ leaseId }) => ({ change: 'retire', lease: leaseId, site: 'local/west' }))
  assert.equal(await store.apply([{ change: 'lease', id: two.leaseId, to: 'lost' }, ...retire]), 3)
  assert.equal(await store.apply(retire), 0)
  assert.equal((await store.workloads.attempts(first))[0]?.lease?.state, 'stopping')
  assert.equal((await store.workloads.attempts(second))[0]?.lease?.state, 'lost')
  const open = await store.operations.claim({
    kind: 'retire',
    holder: 'me',
    now: Date.now() + 1000,
    most: 9,
    seconds: 60,
  })
  assert.deepEqual(open.map(({ token }) => token).sort(), [one.leaseId, two.leaseId].sort())
})

test('a launch that nobody is at does not run once its lease is retired', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await store.placement.commit(await aClaim(store), [placed], [], aNow)
  await store.apply([{ change: 'retire', lease: placed.leaseId, site: 'local/west' }])
  const launch = { kind: 'launch', holder: 'me', now: Date.now() + 1000, most: 9, seconds: 60 } as const
  assert.deepEqual(await store.operations.claim(launch), [])
  assert.equal((await store.operations.claim({ ...launch, kind: 'retire' })).length, 1)
})

test('a launch whose control plane died before the answer is closed by what is seen of its lease', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await store.placement.commit(await aClaim(store), [placed], [], aNow)
  const launch = { kind: 'launch', now: Date.now() + 1000, most: 9, seconds: 60 } as const
  const [claimed] = await store.operations.claim({ ...launch, holder: 'the dead' })
  await store.apply([{ change: 'lease', id: placed.leaseId, to: 'held' }])
  const late = { state: 'failed', detail: 'refused after all' } as const
  assert.equal(await store.operations.settle({ id: claimed?.id ?? '', holder: 'the dead', tries: 1 }, late, []), false)
})

test('a replica goes back to the queue only when no attempt of it lives', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const waits: Change = {
    change: 'replica-waits',
    workload: id,
    replica: 0,
    losses: 1,
    failures: 0,
    notBefore: 0,
    avoid: { 'local/west': 9 },
  }
  assert.equal(await store.apply([waits]), 0)
  assert.equal(await store.apply([waits, { change: 'attempt', id: placed.attemptId, to: 'lost', reason: 'gone' }]), 2)
  const { waiting } = await store.placement.snapshot({ now: aNow, most: 9 })
  assert.deepEqual([waiting[0]?.replica.losses, waiting[0]?.replica.avoid], [1, { 'local/west': 9 }])
})

test('nothing has an end while an attempt of it lives, which was placed after that was decided', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const placed = aPlacing(id)
  await held(store, [placed])
  const ends: Change[] = [
    { change: 'replica-done', workload: id, replica: 0 },
    { change: 'workload', id, to: 'failed', reason: 'another replica was given up' },
  ]
  assert.equal(await store.apply(ends), 0)
  assert.equal(await store.apply([{ change: 'attempt', id: placed.attemptId, to: 'lost', reason: '' }, ...ends]), 3)
  assert.deepEqual((await store.workloads.get(id))?.state, 'failed')
})

test('an ended workload keeps its end, and what happened is told in words', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob({ name: 'train' })])
  const placed = aPlacing(id)
  await held(store, [placed])
  await store.apply([
    { change: 'attempt', id: placed.attemptId, to: 'running', reason: '' },
    { change: 'workload', id, to: 'running', reason: '' },
    { change: 'attempt', id: placed.attemptId, to: 'failed', reason: 'rank 0 exited with 3', exitCode: 3 },
    { change: 'workload', id, to: 'failed', reason: 'rank 0 exited with 3', exitCode: 3 },
    { change: 'workload', id, to: 'running', reason: 'no' },
    { change: 'look-again', id, at: 0 },
  ])
  const workload = await store.workloads.get(id)
  assert.deepEqual([workload?.state, workload?.exitCode, workload?.reason], ['failed', 3, 'rank 0 exited with 3'])
  assert.equal(await store.follow.nextDueAt(), null)
  const told = (await store.events.latest({ most: 20, workload: id })).map(({ type, message }) => `${type}: ${message}`)
  assert.deepEqual(told, [
    'workload.submitted: train was submitted by tester',
    'attempt.placed: attempt 1 of train was placed at local/west, on-demand, 1 node',
    'attempt.running: attempt 1 of train is running',
    'attempt.failed: attempt 1 of train failed: rank 0 exited with 3',
    'workload.running: train is running',
    'workload.failed: train failed: rank 0 exited with 3',
  ])
})

test('what takes capacity unasked, or waits no more, makes admission look at everything', async () => {
  await using store = await aStore()
  const [lost = '', waits = ''] = await submitted(store, [aJob(), aJob()])
  const placed = aPlacing(lost)
  await held(store, [placed])
  const nudgedBy = (change: Change): Promise<void> => hearing(store, () => store.apply([change]))
  await nudgedBy({ change: 'lease', id: placed.leaseId, to: 'lost' })
  await nudgedBy({ change: 'lease', id: placed.leaseId, to: 'stopping' })
  await nudgedBy({ change: 'replica-done', workload: waits, replica: 0 })
})
