import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { Workload } from '#model/workload.ts'
import type { Store } from '#store/store.ts'
import { createFakeClock } from '#simulator/fake-clock.ts'
import { aJob, aNow, anOffer, aSite } from '#test/builders.ts'
import { aHouseThatAdmits, hearing } from '#test/rigs/admission.ts'
import { aStore } from '#test/rigs/postgres.ts'
import { reached, submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'
import type { House } from './reconciler.ts'

const signal = new AbortController().signal

/** A house of which only the queue is of interest: sites that offer, and nobody who launches. */
async function aQueue(t: TestContext) {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const house = { ...aHouseThatAdmits(store, clock), clock }
  const { info } = aSite()
  await store.sites.put(info, clock.now())
  /** Other offers than before; the nudge that tells of them has come. */
  const offered = async (...offers: Parameters<typeof anOffer>[0][]) => {
    const heard = Promise.withResolvers<void>()
    const deafen = store.onNudge((nudge) => nudge === 'admit' && heard.resolve())
    const all = offers.map((offer) => anOffer({ divisible: false, ...offer }))
    await store.sites.offered('local/west', all, null, clock.now())
    await heard.promise
    deafen()
  }
  return { store, clock, house, offered }
}

/** Turns until one asks for no more, now or in a moment; how many there were. */
async function turns(house: House & { clock: ReturnType<typeof createFakeClock> }): Promise<number> {
  for (let count = 1; count < 50; count++) {
    const { more, at = Infinity } = await admit.turn(house, signal)
    const waits = at - house.clock.now()
    if (!more && waits > 100) return count
    if (!more) await house.clock.advance(Math.max(0, waits))
  }
  return assert.fail('it asks for more and more turns')
}

const stateOf = async (store: Store, id: string): Promise<Workload['state'] | undefined> =>
  (await store.workloads.get(id))?.state

const many = (count: number, make: (i: number) => Workload): Workload[] =>
  Array.from({ length: count }, (_, i) => make(i))

const whole = { resources: { accelerators: 'H100:8' } }

test('a workload behind thousands that find no room is placed in the first turn: they do not hide it', async (t) => {
  const { store, house, clock, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 }, { cpus: 16, available: 1 })
  await submitted(
    store,
    many(3_000, (i) => aJob({ ...whole, name: `gpu-${i}` })),
    aNow,
  )
  const [last = ''] = await submitted(store, [aJob({ name: 'last', resources: { cpus: 16 } })], aNow + 1)
  await admit.turn(house, signal)
  assert.equal(await stateOf(store, last), 'starting')
  // All are told why they wait, and then the line is not read again as a whole.
  await turns(house)
  const rows = await store.workloads.list({ states: ['queued'] }, { size: 4_000 })
  assert.equal(rows.length, 3_000)
  assert.ok(rows.every(({ reason }) => reason !== ''))
  await clock.advance(60_000)
  assert.match((await admit.turn(house, signal)).status, /^placed 0 of 100$/)
})

test('room that comes free goes to the oldest of those that wait for it', async (t) => {
  const { store, house, clock, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 })
  const ids = await submitted(
    store,
    many(1_500, (i) => aJob({ ...whole, name: `gpu-${i}` })),
    aNow,
  )
  const oldest = ids.toSorted()
  await turns(house)
  await offered({ gpus: 8, available: 3 })
  await clock.advance(60_000)
  await turns(house)
  const started = await store.workloads.list({ states: ['starting'] }, { size: 10 })
  assert.deepEqual(started.map(({ id }) => id).sort(), oldest.slice(0, 3))
})

test('who asks for something else gets nothing before older ones of the line that were not read', async (t) => {
  const { store, house, clock, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 })
  const line = (
    await submitted(
      store,
      many(200, (i) => aJob({ ...whole, name: `gpu-${i}` })),
      aNow,
    )
  ).toSorted()
  const [late = ''] = await submitted(store, [aJob({ name: 'late', resources: { accelerators: '80GB+:8' } })], aNow + 1)
  await turns(house)
  // Room for 100: more than are read of the line at once.
  await offered({ gpus: 8, available: 100 })
  await clock.advance(60_000)
  await turns(house)
  const started = await store.workloads.list({ states: ['starting'] }, { size: 500 })
  assert.deepEqual(started.map(({ id }) => id).sort(), line.slice(0, 100))
  assert.equal(await stateOf(store, late), 'queued')
})

test('who is read only to be told why he waits gets nothing before those of his line that were not read', async (t) => {
  const { store, house, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 })
  const line = (
    await submitted(
      store,
      many(2_500, (i) => aJob({ ...whole, name: `gpu-${i}` })),
      aNow,
    )
  ).toSorted()
  await admit.turn(house, signal)
  await offered({ gpus: 8, available: 100 })
  await turns(house)
  const started = await store.workloads.list({ states: ['starting'] }, { size: 500 })
  assert.deepEqual(started.map(({ id }) => id).sort(), line.slice(0, 100))
})

test('another priority, and a site that is left alone for a while, make another need', async (t) => {
  const { store, house, clock, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 })
  const [first = '', second = ''] = (await submitted(store, [aJob(whole), aJob(whole)], aNow)).toSorted()
  await turns(house)
  await store.workloads.prioritise(second, 9, { who: 'me', now: aNow })
  await offered({ gpus: 8, available: 1 })
  await clock.advance(60_000)
  await turns(house)
  assert.equal(await stateOf(store, second), 'starting')
  const avoid = { 'local/west': clock.now() + 120_000 }
  await store.apply([
    { change: 'replica-waits', workload: first, replica: 0, losses: 0, failures: 0, notBefore: 0, avoid },
  ])
  const [third = ''] = await submitted(store, [aJob(whole)], clock.now())
  await offered({ gpus: 8, available: 2 })
  await clock.advance(60_000)
  await turns(house)
  assert.equal(await stateOf(store, first), 'queued')
  assert.equal(await stateOf(store, third), 'starting')
})

test('a plan over sites steers, and is told what was placed', async (t) => {
  const { store, house, clock } = await aQueue(t)
  const nodes = { gpus: 8, divisible: false, available: 4 }
  for (const [name, price] of [
    ['cheap', 10],
    ['dear', 12],
  ] as const) {
    await store.sites.put(aSite({ name }).info, clock.now())
    await store.sites.offered(`local/${name}`, [anOffer({ ...nodes, price, site: name })], null, clock.now())
  }
  const key = (name: string) => `local/${name} on-demand ${anOffer(nodes).shape.name}`
  const told: { key: string; candidate: string }[] = []
  const nodeMicros = new Map([[key('cheap'), 90_000_000]])
  house.steering = {
    plan: () => ({ asOf: clock.now(), gangs: new Map(), paidMicros: new Map(), nodeMicros }),
    placed: (gangs) => void told.push(...gangs),
  }
  const siteOf = async (name: string) => {
    const [id = ''] = await submitted(store, [aJob({ ...whole, name })], clock.now())
    await turns(house)
    return (await store.workloads.get(id))?.sites
  }
  assert.deepEqual(await siteOf('steered'), ['local/dear'])
  assert.deepEqual(
    told.map(({ candidate }) => candidate),
    [key('dear')],
  )
  await clock.advance(1)
  nodeMicros.set(key('cheap'), 1_000_000)
  nodeMicros.set(key('dear'), 0)
  assert.deepEqual(await siteOf('priced'), ['local/cheap'], 'a dollar less is not worth two')
})

test('who waits is told again at once when the cause is another, and otherwise only after a while', async (t) => {
  const { store, house, clock, offered } = await aQueue(t)
  await offered({ gpus: 8, available: 0 })
  const [first = ''] = await submitted(store, [aJob({ ...whole, name: 'first' })], aNow)
  const [second = ''] = await submitted(store, [aJob({ ...whole, name: 'second' })], aNow + 1)
  await admit.turn(house, signal)
  assert.deepEqual((await store.workloads.refusal(second))?.ahead, ['first'])
  await store.workloads.want(first, 'hold', { who: 'me', now: clock.now() })
  await clock.advance(500)
  await admit.turn(house, signal)
  assert.deepEqual((await store.workloads.refusal(second))?.ahead, ['first'])
  await hearing(store, () => reached(store, { reach: 'unreachable', since: clock.now(), detail: 'no route' }))
  await clock.advance(500)
  await turns(house)
  assert.equal((await store.workloads.refusal(second))?.cause, 'site-unreachable')
  await reached(store, { reach: 'reachable', since: clock.now(), detail: '' })
  await clock.advance(5_000)
  await turns(house)
  assert.equal((await store.workloads.refusal(second))?.ahead, undefined)
})
