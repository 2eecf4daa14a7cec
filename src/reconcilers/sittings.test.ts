import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import * as fc from 'fast-check'

import { place } from '#engine/placement/place.ts'
import type { QueueSnapshot, Store } from '#store/store.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { aJob, aNow, aProject, aSite, someNodes } from '#test/builders.ts'
import { aHouseThatAdmits, hearing } from '#test/rigs/admission.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'

const signal = new AbortController().signal

/** A house with two nodes of 8 GPUs that only admits, and how often it looked at everything. */
async function aQueue(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const looks = { count: 0, lastMs: 0 }
  const snapshot: Store['placement']['snapshot'] = async (options) => {
    looks.count += 1
    await clock.advance(looks.lastMs)
    return store.placement.snapshot(options)
  }
  const house = aHouseThatAdmits({ ...store, placement: { ...store.placement, snapshot } }, clock)
  const { info, offers, nodes } = aSite({ nodes: someNodes(2, { gpus: 8 }), offers: [{ gpus: 8 }] })
  // What is heard of these later would end a round that is open by then.
  for (const write of [
    () => store.sites.put(info, clock.now()),
    () => store.sites.offered('local/west', offers, nodes, clock.now()),
  ])
    await hearing(store, write)
  return { store, clock, house, looks }
}

type Queue = Awaited<ReturnType<typeof aQueue>>

const gpus = (count: number, fields: Parameters<typeof aJob>[0] = {}) =>
  aJob({ resources: { accelerators: `H100:${count}` }, ...fields })

const everything = ({ store, clock }: Queue): Promise<QueueSnapshot> =>
  store.placement.snapshot({ now: clock.now(), most: 100, few: 100 })

/**
 * Turns until not all of those are left who wait and could start, however it is looked at: news arrive when they arrive.
 * Where somebody has to wait, what is promised him may keep from others what it would not if it was promised anew.
 */
async function settled(queue: Queue): Promise<QueueSnapshot> {
  const { store, house, clock } = queue
  const deadline = performance.now() + 5_000
  for (;;) {
    const nudged = new Promise<void>((resolve) => {
      const off = store.onNudge(() => resolve(off()))
    })
    while ((await admit.turn(house, signal)).more);
    const snapshot = await everything(queue)
    const decisions = place({ snapshot, now: clock.now() })
    if (decisions.length === 0 || decisions.some(({ placement }) => !placement)) return snapshot
    if (performance.now() > deadline) assert.fail(`${decisions.length} could start and were not started`)
    await Promise.race([nudged, new Promise((resolve) => setTimeout(resolve, 200))])
  }
}

/** Its work has ended, and nothing of it is left. */
const end = async ({ store }: Queue, { id, workload }: { id: string; workload: string }): Promise<void> => {
  const attempts = await store.workloads.attempts(workload)
  const attempt = attempts.find(({ lease }) => lease?.id === id)?.id ?? ''
  await store.apply([
    { change: 'lease', id, to: 'stopping' },
    { change: 'lease', id, to: 'gone' },
    { change: 'attempt', id: attempt, to: 'succeeded', reason: '', exitCode: 0 },
    { change: 'replica-done', workload, replica: 0 },
    { change: 'workload', id: workload, to: 'succeeded', reason: '', exitCode: 0 },
  ])
}

test('room that comes free, and who comes, need no look at everything', async (t) => {
  const queue = await aQueue(t)
  await submitted(queue.store, [gpus(8, { nodes: 2, name: 'first' })])
  await submitted(queue.store, [gpus(8, { name: 'second' })], aNow + 1)
  const { leases } = await settled(queue)
  assert.deepEqual(
    leases.map(({ name }) => name),
    ['first'],
  )
  const before = queue.looks.count
  await submitted(queue.store, [gpus(8, { name: 'third' })], aNow + 2)
  for (const lease of leases) await end(queue, lease)
  const after = await settled(queue)
  assert.deepEqual(after.leases.map(({ name }) => name).sort(), ['second', 'third'])
  assert.equal(queue.looks.count, before)
})

test('a queue in which nothing has changed is not looked at again, though its round is open', async (t) => {
  const queue = await aQueue(t)
  await submitted(queue.store, [gpus(8, { nodes: 2, name: 'first' })])
  await submitted(queue.store, [gpus(8, { name: 'second' })], aNow + 1)
  const { leases } = await settled(queue)
  const wait = async (minutes: number): Promise<void> => {
    for (const until = queue.clock.now() + minutes * 60_000; queue.clock.now() < until;) {
      await queue.clock.advance(5_000)
      await admit.turn(queue.house, signal)
    }
  }
  await wait(1)
  const before = queue.looks.count
  await wait(3)
  assert.equal(queue.looks.count, before)
  await wait(5)
  assert.equal(queue.looks.count, before + 1, 'the net below the nudges')
  await wait(5)
  assert.equal(queue.looks.count, before + 1)
  await wait(30)
  assert.equal(queue.looks.count, before + 3, 'it is looked at less and less often')
  for (const lease of leases) await end(queue, lease)
  const after = await settled(queue)
  assert.deepEqual(
    after.leases.map(({ name }) => name),
    ['second'],
  )
})

test('who was placed needs no look of his own: the others are not asked again', async (t) => {
  const queue = await aQueue(t)
  // What is heard of them later would be news.
  const heard = new Promise<void>((resolve) => queue.store.onNudge((nudge) => void (nudge === 'come' && resolve())))
  await submitted(queue.store, [gpus(8, { nodes: 2 }), gpus(8, { name: 'waits' })])
  await heard
  await settled(queue)
  const before = queue.looks.count
  for (const until = queue.clock.now() + 60_000; queue.clock.now() < until;) {
    await queue.clock.advance(5_000)
    await admit.turn(queue.house, signal)
  }
  assert.equal(queue.looks.count, before)
})

test('a start that is promised soon is no reason to look at everything sooner than an open round is over', async (t) => {
  const queue = await aQueue(t)
  const { clock, house, looks } = queue
  await submitted(queue.store, [gpus(8, { nodes: 2, duration: { expected: '1s' } })])
  await submitted(queue.store, [gpus(8)], aNow + 1)
  await settled(queue)
  looks.count = 0
  for (const expected of [0, 0, 1]) {
    await clock.advance(2_000)
    await admit.turn(house, signal)
    assert.equal(looks.count, expected)
  }
})

test('who may ask a site again that refused it is asked when it may, though its queue rests until then', async (t) => {
  const queue = await aQueue(t)
  const { store, clock, house } = queue
  const [workload = ''] = await submitted(store, [gpus(8)])
  const avoid = { 'local/west': clock.now() + 100_000 }
  await settled(queue)
  const attempt = (await store.workloads.attempts(workload))[0]
  await hearing(store, () =>
    store.apply([
      { change: 'lease', id: attempt?.lease?.id ?? '', to: 'refused' },
      { change: 'attempt', id: attempt?.id ?? '', to: 'lost', reason: 'it was refused' },
      { change: 'replica-waits', workload, replica: 0, losses: 0, failures: 0, notBefore: 0, avoid },
    ]),
  )
  const starts = async (until: number): Promise<number> => {
    while (clock.now() < until) {
      await clock.advance(5_000)
      await admit.turn(house, signal)
    }
    return (await everything(queue)).leases.length
  }
  assert.equal(await starts(avoid['local/west'] - 6_000), 0)
  assert.equal(await starts(avoid['local/west'] + 10_000), 1)
})

test('room that comes free after a look that was of no use is given away at once, however long that took', async (t) => {
  const queue = await aQueue(t)
  await submitted(queue.store, [gpus(8, { nodes: 2, name: 'first' })])
  await submitted(queue.store, [gpus(8, { name: 'second' })], aNow + 1)
  const { leases } = await settled(queue)
  await hearing(queue.store, () => queue.store.projects.put(aProject({ name: 'other' })))
  queue.looks.lastMs = 500
  const before = queue.looks.count
  await admit.turn(queue.house, signal)
  assert.equal(queue.looks.count, before + 1)
  const lookedAt = queue.clock.now()
  for (const lease of leases) await end(queue, lease)
  const after = await settled(queue)
  assert.deepEqual(
    after.leases.map(({ name }) => name),
    ['second'],
  )
  assert.equal(queue.clock.now(), lookedAt)
})

test(
  'a line that is longer than was read of it is placed in its order without a look at everything',
  { timeout: 20_000 },
  async (t) => {
    const queue = await aQueue(t)
    const ids = await submitted(
      queue.store,
      Array.from({ length: 100 }, () => gpus(8)),
    )
    let snapshot = await settled(queue)
    // From the next look on only the first few are read of what found no room.
    await hearing(queue.store, () => queue.store.projects.put(aProject({ name: 'other' })))
    snapshot = await settled(queue)
    const before = queue.looks.count
    for (let ends = 0; ends < 12; ends++) {
      for (const lease of snapshot.leases) await end(queue, lease)
      do snapshot = await settled(queue)
      while (snapshot.leases.length < 2)
      const held = snapshot.leases.map(({ workload }) => workload).sort()
      assert.deepEqual(held, ids.toSorted().slice(2 * ends + 2, 2 * ends + 4))
    }
    assert.equal(queue.looks.count, before)
  },
)

test('what was decided elsewhere meanwhile makes a control plane look at everything again', async (t) => {
  const queue = await aQueue(t)
  await submitted(queue.store, [gpus(8, { nodes: 2 }), gpus(8, { name: 'waits' })])
  await settled(queue)
  const before = queue.looks.count
  for (const holder of ['a', 'b']) {
    const claim = await queue.store.claims.take('admit', holder, 5)
    assert.ok(claim)
    await queue.store.claims.release(claim)
  }
  await submitted(queue.store, [gpus(1)])
  // What it would write is refused, for it does not know who had the claim in between.
  for (const deadline = performance.now() + 5_000; queue.looks.count === before;) {
    assert.ok(performance.now() < deadline, 'it still goes by what it knew')
    await queue.clock.advance(60)
    await settled(queue)
  }
})

test('what is no news of leases and workloads makes it look at everything: a quota that was raised', async (t) => {
  const queue = await aQueue(t)
  const quota = (accelerators: number) => queue.store.projects.put(aProject({ name: 'red', quota: { accelerators } }))
  await quota(4)
  await submitted(queue.store, [gpus(4, { project: 'red' }), gpus(4, { project: 'red' })])
  assert.equal((await settled(queue)).leases.length, 1)
  await quota(8)
  assert.equal((await settled(queue)).leases.length, 2)
})

test('a site that is forgotten takes nobody any more', async (t) => {
  const queue = await aQueue(t)
  await submitted(queue.store, [gpus(8, { nodes: 2 }), gpus(8)])
  const { leases } = await settled(queue)
  for (const lease of leases) await end(queue, lease)
  await hearing(queue.store, () => queue.store.sites.forget('local/west'))
  await submitted(queue.store, [gpus(1)])
  await admit.turn(queue.house, signal)
  assert.deepEqual((await everything(queue)).leases, [])
})

type Step =
  | { submit: { gpus: number; nodes: number; project: string } }
  | { end: number }
  | { stop: number }
  | { quota: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      submit: fc.record({
        gpus: fc.constantFrom(1, 4, 8),
        nodes: fc.integer({ min: 1, max: 2 }),
        project: fc.constantFrom('red', 'blue'),
      }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ end: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ stop: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ quota: fc.integer({ min: 4, max: 16 }) }) },
)

async function take(queue: Queue, given: Step, { leases, waiting }: QueueSnapshot): Promise<void> {
  const { store, clock } = queue
  if ('submit' in given) {
    const { project, nodes, gpus: count } = given.submit
    await submitted(store, [gpus(count, { nodes, project })], clock.now())
  }
  if ('end' in given) for (const lease of leases.slice(given.end, given.end + 1)) await end(queue, lease)
  if ('stop' in given)
    for (const { workload } of waiting.slice(given.stop, given.stop + 1))
      await store.workloads.want(workload.id, 'stop', { who: 'me', now: clock.now() })
  if ('quota' in given) await store.projects.put(aProject({ name: 'red', quota: { accelerators: given.quota } }))
}

test('whatever happens, never all wait who could start, and no node is given twice', async (t) => {
  const queue = await aQueue(t)
  let turns = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), async (steps) => {
      for (const name of ['red', 'blue']) await queue.store.projects.put(aProject({ name }))
      let snapshot = await settled(queue)
      for (const each of steps) {
        await take(queue, each, snapshot)
        turns += 1
        snapshot = await settled(queue)
        const held = Map.groupBy(
          snapshot.leases.flatMap(({ ranks }) => ranks),
          ({ node }) => node,
        )
        for (const [node, ranks] of held)
          assert.ok(ranks.reduce((sum, { accelerators }) => sum + accelerators, 0) <= 8, `${node} is given twice`)
      }
      for (const lease of snapshot.leases) await end(queue, lease)
      for (const { workload } of snapshot.waiting)
        await queue.store.workloads.want(workload.id, 'stop', { who: 'me', now: queue.clock.now() })
    }),
    { numRuns: 6, seed: 20261121 },
  )
  assert.ok(queue.looks.count < turns, `${queue.looks.count} looks for ${turns} steps`)
})
