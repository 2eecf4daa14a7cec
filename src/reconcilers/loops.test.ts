import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'

import { Client } from 'pg'

import { createClock } from '#kit/clock.ts'
import { costMicros } from '#kit/money.ts'
import type { Workload } from '#model/workload.ts'
import { createSimulated, type SimulatedCloud } from '#providers/simulated/simulated.ts'
import { createFakeClock, type FakeClock } from '#simulator/fake-clock.ts'
import type { Store } from '#store/store.ts'
import { aJob, anArray, aService } from '#test/builders.ts'
import { aStore, someIds } from '#test/rigs/postgres.ts'
import { submitted } from '#test/rigs/story.ts'
import { admit } from './admit.ts'
import { follow } from './follow.ts'
import { launch } from './launch.ts'
import { meter } from './meter.ts'
import { observe } from './observe.ts'
import type { Archive, House, Reconciler } from './reconciler.ts'
import { retire } from './retire.ts'
import { startLoops } from './run.ts'
import { sweep } from './sweep.ts'

const all: Reconciler[] = [observe, admit, launch, follow, retire, meter, sweep]
const signal = new AbortController().signal

const aSite = (name: string, price: number, nodes = 4) => ({
  name,
  jurisdictions: ['DE', 'EU'],
  patienceMs: 20_000,
  pools: [{ tier: 'on-demand' as const, shape, priceMicros: price, nodes }],
})

const shape = {
  name: 'sim-1',
  accelerators: 0,
  acceleratorMemoryMiB: 0,
  cpuMilli: 8000,
  memoryMiB: 16_384,
  diskMiB: 65_536,
}

function anArchive(): Archive & { text(lease: string, rank: number): string } {
  const kept = new Map<string, Buffer>()
  const of = (lease: string, rank: number) => kept.get(`${lease} ${rank}`) ?? Buffer.alloc(0)
  return {
    kept: async (lease, rank) => ({ bytes: of(lease, rank).length, end: of(lease, rank).length }),
    add: async (lease, rank, { bytes }) => void kept.set(`${lease} ${rank}`, Buffer.concat([of(lease, rank), bytes])),
    text: (lease, rank) => of(lease, rank).toString(),
  }
}

type World = { store: Store; url: string; clock: FakeClock; cloud: SimulatedCloud; house: House }

async function aWorld(t: TestContext, faults: Parameters<typeof createSimulated>[0]['faults'] = {}): Promise<World> {
  const clock = createFakeClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const sites = [aSite('cheap', 3_600_000), aSite('dear', 7_200_000)]
  const cloud = createSimulated({ seed: 1, sites, faults, clock })
  return { store, url: store.url, clock, cloud, house: aHouse({ store, clock, cloud }) }
}

type Parts = Pick<World, 'store' | 'cloud'> & { clock: House['clock'] }

const aHouse = ({ store, clock, cloud }: Parts, holder = 'a'): House => ({
  store,
  providers: new Map([['simulated', cloud.open()]]),
  clock,
  ids: someIds,
  holder,
  controlPlanes: () => ['http://127.0.0.1:1'],
  credential: (token) => `${token}.secret`,
  archive: anArchive(),
})

/** Lets the loops take turns, half a second apart, until the condition holds. */
async function until(world: World, condition: () => Promise<boolean>, most = 400): Promise<void> {
  for (let i = 0; i < most; i++) {
    for (const loop of all) await loop.turn(world.house, signal)
    if (await condition()) return
    await world.clock.advance(500)
  }
  assert.fail(`it did not happen within ${most / 2} s`)
}

const inState = (world: World, id: string, ...states: Workload['state'][]) =>
  until(world, async () => states.includes((await found(world, id)).state))

async function found({ store }: World, id: string) {
  const workload = await store.workloads.get(id)
  assert.ok(workload)
  return workload
}

const submit = async (world: World, workload: Workload): Promise<string> =>
  (await submitted(world.store, [workload], world.clock.now()))[0] ?? ''

const dies = () => Promise.reject(new Error('killed'))

const forever = { prints: '', runMs: Infinity, exitCode: 0, stubborn: false }

test('a job is placed where it is cheapest, runs, ends with its code, keeps its log and is billed exactly', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob({ nodes: 2 }))
  world.cloud.script(id, [{ prints: 'hello\n', runMs: 90_000, exitCode: 0, stubborn: false }])
  await inState(world, id, 'succeeded')
  const over = async () => (await world.store.workloads.attempts(id))[0]?.lease?.state === 'gone'
  await until(world, over)
  await until(world, async () => (await world.store.ledger.unmetered(10)).length === 0)
  const [attempt] = await world.store.workloads.attempts(id)
  assert.ok(attempt?.lease)
  const { site, startedAt, endedAt, id: lease } = attempt.lease
  assert.equal(site, 'cheap')
  assert.equal((world.house.archive as ReturnType<typeof anArchive>).text(lease, 1), 'hello\n')
  const cost = costMicros(7_200_000n, (endedAt ?? 0) - (startedAt ?? 0))
  assert.equal((await found(world, id)).spentMicros, cost)
  assert.ok(cost >= costMicros(7_200_000n, 90_000))
  assert.deepEqual(world.cloud.used('cheap'), [0])
})

test('a job fails with the code of its rank', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob())
  world.cloud.script(id, [{ prints: '', runMs: 1000, exitCode: 42, stubborn: false }])
  await inState(world, id, 'failed')
  assert.equal((await found(world, id)).exitCode, 42)
})

test('what a site refuses goes elsewhere', async (t) => {
  const world = await aWorld(t)
  // Others take the nodes between the offer and the order.
  const elsewhere = aHouse(world)
  const provider = elsewhere.providers.get('simulated')
  assert.ok(provider)
  const order = { token: 'x', workload: 'x', attempt: 1, site: 'cheap', tier: 'on-demand', graceMs: 0 }
  const ranks = [0, 1, 2, 3].map((rank) => ({ rank, shape }))
  await provider.launch({ ...order, ranks, controlPlanes: ['http://127.0.0.1:1'], credential: '' }, signal)
  const id = await submit(world, aJob())
  world.cloud.script(id, [forever])
  await inState(world, id, 'running')
  const attempts = await world.store.workloads.attempts(id)
  assert.deepEqual(attempts.map(({ lease, state }) => [lease?.site, lease?.state, state]).sort(), [
    ['cheap', 'refused', 'refused'],
    ['dear', 'held', 'running'],
  ])
})

test('a lost site is left alone for its patience, then the job goes elsewhere and the old attempt is fenced', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob({ nodes: 2 }))
  world.cloud.script(id, [forever])
  await inState(world, id, 'running')
  world.cloud.cut('cheap')
  await until(world, async () => /does not answer since/.test((await found(world, id)).reason))
  world.cloud.restore('cheap')
  await until(world, async () => (await found(world, id)).reason === '')
  assert.equal((await found(world, id)).attempts, 1)
  world.cloud.cut('cheap')
  await until(world, async () => (await found(world, id)).attempts === 2)
  await inState(world, id, 'running')
  assert.equal(world.cloud.gangs('cheap').length, 1) // it still runs there, and nobody can reach it
  world.cloud.restore('cheap')
  await until(world, async () => world.cloud.used('cheap')[0] === 0)
  const old = (await world.store.workloads.attempts(id)).find(({ number }) => number === 1)
  await until(world, async () =>
    (await world.store.workloads.attempts(id)).every(({ number, lease }) => number === 2 || lease?.state === 'gone'),
  )
  assert.equal(old?.state, 'lost')
  assert.equal((await found(world, id)).state, 'running')
})

test('what was lost and ran on unseen is billed until it is gone, and what was gone meanwhile only until it was lost', async (t) => {
  for (const survives of [true, false]) {
    const world = await aWorld(t)
    const id = await submit(world, aJob())
    world.cloud.script(id, [forever])
    await inState(world, id, 'running')
    if (survives) world.cloud.cut('cheap')
    else world.cloud.lose('cheap')
    await until(world, async () => (await found(world, id)).attempts === 2)
    await world.clock.advance(100_000)
    const backAt = world.clock.now()
    world.cloud.restore('cheap')
    const first = async () =>
      (await world.store.workloads.attempts(id)).find(({ number }) => number === 1)?.lease ?? null
    await until(world, async () => (await first())?.state === 'gone')
    const metered = async () => (await world.store.ledger.unmetered(10)).every(({ endedAt }) => endedAt === null)
    await until(world, metered)
    const lease = await first()
    assert.ok(lease?.endedAt && lease.startedAt)
    assert.equal(lease.endedAt >= backAt, survives)
    const bySite = await world.store.ledger.cost({ workload: id }, ['site'])
    const billed = bySite.find(({ keys }) => keys[0] === 'simulated/cheap')?.amountMicros
    assert.equal(billed, costMicros(3_600_000n, lease.endedAt - lease.startedAt))
  }
})

test('a gang that its provider took away is placed again', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob())
  world.cloud.script(id, [forever])
  await inState(world, id, 'running')
  world.cloud.lose('cheap')
  world.cloud.restore('cheap')
  await until(world, async () => (await found(world, id)).attempts === 2)
})

test('a stop ends what runs, a hold keeps it out of the queue until it is released', async (t) => {
  const world = await aWorld(t, { stopMs: [2000, 2000] })
  const id = await submit(world, aJob())
  world.cloud.script(id, [forever])
  const by = { who: 'tester', now: world.clock.now() }
  await inState(world, id, 'running')
  await world.store.workloads.want(id, 'hold', by)
  await inState(world, id, 'held')
  assert.deepEqual(world.cloud.used('cheap'), [0])
  await world.store.workloads.want(id, 'run', by)
  await inState(world, id, 'running')
  await world.store.workloads.want(id, 'stop', by)
  await inState(world, id, 'stopped')
  assert.deepEqual(world.cloud.used('cheap'), [0])
})

test('a service restarts when it exits, and an array of settled tasks ends', async (t) => {
  const world = await aWorld(t)
  const service = await submit(world, aService())
  world.cloud.script(service, [{ ...forever, runMs: 3000 }])
  await until(world, async () => (await found(world, service)).attempts >= 3)
  const array = await submit(world, anArray({ tasks: 2, retry: { times: 1 } }))
  world.cloud.script(array, [{ ...forever, runMs: 1000 }])
  await inState(world, array, 'failed') // nobody runs its tasks here
  assert.match((await found(world, array)).reason, /its workers ended before its tasks had/)
})

test('a control plane that dies between the call and its record leaves one gang, and the next one takes it over', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob())
  world.cloud.script(id, [forever])
  await observe.turn(world.house, signal)
  await admit.turn(world.house, signal)
  const dying = { ...world.house, store: { ...world.store, operations: { ...world.store.operations, settle: dies } } }
  await assert.rejects(launch.turn(dying, signal), /killed/)
  assert.equal(world.cloud.gangs('cheap').length, 1)
  const [before] = await world.store.workloads.attempts(id)
  assert.equal(before?.lease?.state, 'wanted')
  const next = { ...world, house: aHouse(world, 'b') }
  await withClient(world.url, (client) =>
    client.query('update operations set claimed_until = now(); update claims set expires_at = now()'),
  )
  await inState(next, id, 'running')
  assert.equal(world.cloud.gangs('cheap').length, 1)
  assert.equal((await found(world, id)).attempts, 1)
})

test('a site that nobody declares any more is no offer, and is forgotten once nothing of ours is left there', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob())
  world.cloud.script(id, [forever])
  await inState(world, id, 'running')
  const without = createSimulated({ seed: 1, sites: [aSite('dear', 7_200_000)], faults: {}, clock: world.clock })
  const later = aHouse({ store: world.store, clock: world.clock, cloud: without }, 'b')
  const sites = async () => (await world.store.sites.list()).map(({ site, reach }) => `${site} ${reach}`)
  await observe.turn(later, signal)
  assert.deepEqual(await sites(), ['simulated/cheap reachable', 'simulated/dear reachable'], 'house a looks at them')
  await withClient(world.url, freeClaims)
  await world.clock.advance(30_000)
  await observe.turn(later, signal)
  assert.deepEqual(await sites(), ['simulated/cheap unreachable', 'simulated/dear reachable'])
  await until(world, async () => (await sites())[0] === 'simulated/cheap reachable')
  await world.store.workloads.want(id, 'stop', { who: 'test', now: world.clock.now() })
  await until(world, async () => (await found(world, id)).sites.length === 0)
  await withClient(world.url, freeClaims)
  await world.clock.advance(30_000)
  await observe.turn(later, signal)
  assert.deepEqual(await sites(), ['simulated/dear reachable'])
})

test('who has lost the claim to admit writes nothing', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob())
  await observe.turn(world.house, signal)
  const { snapshot } = world.store.placement
  const slow: Store['placement'] = {
    ...world.store.placement,
    async snapshot(options) {
      const seen = await snapshot(options)
      await withClient(world.url, (client) => client.query(`update claims set expires_at = now() where name = 'admit'`))
      assert.ok(await world.store.claims.take('admit', 'b', 60))
      return seen
    },
  }
  const turn = await admit.turn({ ...world.house, store: { ...world.store, placement: slow } }, signal)
  assert.equal(turn.status, 'placed 0 of 1')
  assert.equal((await found(world, id)).attempts, 0)
})

test('an orphan is reported once and retired', async (t) => {
  const world = await aWorld(t)
  const provider = world.house.providers.get('simulated')
  const order = { token: 'l-orphan', workload: 'w-1', attempt: 1, site: 'cheap', tier: 'on-demand', graceMs: 0 }
  await provider?.launch(
    { ...order, ranks: [{ rank: 0, shape }], controlPlanes: ['http://127.0.0.1:1'], credential: '' },
    signal,
  )
  await sweep.turn(world.house, signal)
  assert.deepEqual(world.cloud.used('cheap'), [1])
  await until(world, async () => world.cloud.used('cheap')[0] === 0)
  const events = await world.store.events.latest({ most: 100 })
  assert.equal(events.filter(({ type }) => type === 'orphan.found').length, 1)
})

test('a budget warns once', async (t) => {
  const world = await aWorld(t)
  const id = await submit(world, aJob({ budget: { limit: '$0.10', warnAt: 0.5, whenUsed: 'stop' } }))
  world.cloud.script(id, [forever])
  await inState(world, id, 'stopped')
  assert.match((await found(world, id)).reason, /budget of \$0\.10 is used up/)
  const events = await world.store.events.latest({ most: 100 })
  assert.equal(events.filter(({ type }) => type === 'budget.warned').length, 1)
})

test('nudged, the loops bring a job to its end without waiting for their periods, and stop when told', async (t) => {
  const clock = createClock()
  const store = await aStore({ clock })
  t.after(() => store.close())
  const cloud = createSimulated({ seed: 1, sites: [aSite('cheap', 1)], faults: {}, clock })
  const errors: unknown[] = []
  const house = aHouse({ store, clock, cloud })
  const running = startLoops(all, house, { error: (facts) => void errors.push(facts) })
  const workload = { ...aJob(), id: someIds('w') }
  cloud.script(workload.id, [{ ...forever, runMs: 200 }])
  await store.workloads.submit([workload], clock.now())
  const deadline = clock.now() + 20_000
  while ((await store.workloads.get(workload.id))?.state !== 'succeeded' && clock.now() < deadline)
    await clock.sleep(20)
  assert.equal((await store.workloads.get(workload.id))?.state, 'succeeded')
  assert.deepEqual(running.notReady(), [])
  await running.stop()
  assert.deepEqual(errors, [])
})

test('a loop that fails is logged, comes again, and holds up no other; who fails again and again is not ready', async (t) => {
  const store = await aStore()
  t.after(() => store.close())
  const clock = createClock()
  let [tries, isBroken] = [0, true]
  const broken: Reconciler = {
    name: 'broken',
    everyMs: 1,
    turn: () => ((tries += 1) && isBroken ? Promise.reject(new Error('no')) : Promise.resolve({ status: 'well' })),
  }
  const logged: string[] = []
  const cloud = createSimulated({ seed: 1, sites: [aSite('cheap', 1)], faults: {}, clock })
  const running = startLoops([broken, admit], aHouse({ store, clock, cloud }), {
    error: (_facts, message) => void logged.push(message),
  })
  while (!running.notReady().includes('the loop broken fails again and again')) await clock.sleep(5)
  isBroken = false
  while (running.notReady().length > 0) await clock.sleep(5)
  await running.stop()
  assert.deepEqual(logged, Array(logged.length).fill('the loop broken failed and tries again'))
  assert.ok(logged.length >= 3)
})

const freeClaims = (client: Client) => client.query('update claims set expires_at = now()')

async function withClient(url: string, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await use(client)
  } finally {
    await client.end()
  }
}
