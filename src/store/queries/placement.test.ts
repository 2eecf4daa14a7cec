import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Client } from 'pg'

import { aStore } from '#rigs/postgres.ts'
import { aClaim, aPlacing, held, submitted } from '#rigs/story.ts'
import { aJob, aNow, anOffer, aService } from '#test/builders.ts'

const site = { provider: 'local', name: 'west', jurisdictions: ['US'], patienceMs: 60_000 } as const

test('the queue goes by priority, then age, and leaves out what does not want to run or must wait', async () => {
  await using store = await aStore()
  const [early = ''] = await submitted(store, [aJob()], aNow - 1)
  const [, backing = ''] = await submitted(store, [aJob(), aJob()])
  const [late = ''] = await submitted(store, [aJob({ priority: 5 })], aNow + 1)
  const [heldBack = ''] = await submitted(store, [aJob()], aNow + 2)
  await store.workloads.want(heldBack, 'hold', { who: 'me', now: aNow })
  await store.apply([
    { change: 'replica-waits', workload: backing, replica: 0, losses: 0, failures: 0, notBefore: aNow + 9, avoid: {} },
  ])
  const { waiting } = await store.placement.snapshot({ now: aNow, most: 2 })
  assert.deepEqual(
    waiting.map(({ workload }) => workload.id),
    [late, early],
  )
  const later = await store.placement.snapshot({ now: aNow + 9, most: 10 })
  assert.equal(later.waiting.length, 4)
})

test('a placed replica has attempt, lease, ranks, operation and plan, and leaves the queue', async () => {
  await using store = await aStore()
  await store.sites.put({ ...site, jurisdictions: ['US'] }, aNow)
  await store.sites.offered('local/west', [anOffer()], null, aNow)
  const [id = ''] = await submitted(store, [aJob({ nodes: 2, duration: { maximum: '1h' } })])
  const placed = aPlacing(id, { nodes: 2 })
  await held(store, [placed])
  await store.apply([{ change: 'attempt', id: placed.attemptId, to: 'running', reason: '' }])

  const { waiting, leases, sites } = await store.placement.snapshot({ now: aNow, most: 10 })
  assert.equal(waiting.length, 0)
  assert.equal(sites[0]?.offers.length, 1)
  const [lease] = leases
  assert.deepEqual([lease?.id, lease?.shape, lease?.name, lease?.ranks.length], [placed.leaseId, '16cpu', 'job', 2])
  const [attempt] = await store.workloads.attempts(id)
  assert.equal(lease?.endsAt, (attempt?.startedAt ?? 0) + 3_600_000)
  assert.deepEqual(
    attempt?.ranks.map(({ rank, state }) => [rank, state]),
    [
      [0, 'expected'],
      [1, 'expected'],
    ],
  )
  assert.deepEqual(
    (await store.plans.ofWorkload(id)).map(({ decisions }) => decisions),
    [[placed.decision]],
  )
  assert.equal((await store.workloads.get(id))?.state, 'starting')
})

test('what runs is expected to end when it would on the slowest accelerator that it names', async () => {
  await using store = await aStore()
  const job = { duration: { expected: '1h' }, throughput: { H100: 1, A100: 0.25, B200: 2 } }
  const ids = await submitted(store, [
    aJob({ ...job, name: 'slow' }),
    aJob({ ...job, name: 'fast', throughput: { B200: 2 } }),
  ])
  const ends = []
  for (const id of ids) {
    const placed = aPlacing(id)
    await held(store, [placed])
    await store.apply([{ change: 'attempt', id: placed.attemptId, to: 'running', reason: '' }])
    const { leases } = await store.placement.snapshot({ now: aNow, most: 10 })
    const [attempt] = await store.workloads.attempts(id)
    const lease = leases.find(({ id: own }) => own === placed.leaseId)
    ends.push((lease?.endsAt ?? 0) - (attempt?.startedAt ?? 0))
  }
  assert.deepEqual(ends, [4 * 3_600_000, 3_600_000])
})

test('a stale claim commits nothing', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aJob()])
  const mine = await aClaim(store, 'admit', 'me')
  await store.claims.release(mine)
  await aClaim(store, 'admit', 'you')
  assert.equal(await store.placement.commit(mine, [aPlacing(id)], [], aNow), null)
  const before = await aClaim(store, 'other', 'me')
  await store.claims.release(before)
  await aClaim(store, 'other', 'me') // the same holder later is another claim
  assert.equal(await store.placement.commit(before, [aPlacing(id)], [], aNow), null)
  assert.equal((await store.workloads.attempts(id)).length, 0)
})

test('a replica is placed once, and not after a person changed their mind', async () => {
  await using store = await aStore()
  const claim = await aClaim(store)
  const [twice = '', stopped = ''] = await submitted(store, [aJob(), aJob()])
  await store.workloads.want(stopped, 'stop', { who: 'me', now: aNow })
  await store.placement.commit(claim, [aPlacing(twice), aPlacing(stopped)], [], aNow)
  await store.placement.commit(claim, [aPlacing(twice)], [], aNow)
  assert.equal((await store.workloads.attempts(twice)).length, 1)
  assert.equal((await store.workloads.attempts(stopped)).length, 0)
})

test('a refusal is written, and told only when its text is another', async () => {
  await using store = await aStore()
  const claim = await aClaim(store)
  const [id = ''] = await submitted(store, [aService({ replicas: 2 })])
  const refused = (text: string) =>
    [0, 1].map((replica) => ({
      ...aPlacing(id, { replica }).decision,
      placement: null,
      refusal: { cause: 'capacity', text, next: ['isobar why'] },
    }))
  for (const text of ['no room', 'no room', 'still no room'])
    await store.placement.commit(claim, [], refused(text), aNow)
  assert.equal((await store.workloads.refusal(id))?.text, 'still no room')
  assert.equal((await store.workloads.get(id))?.reason, 'still no room')
  const told = (await store.events.latest({ most: 10 })).filter(({ type }) => type === 'workload.waits')
  assert.deepEqual(
    told.map(({ message }) => message),
    ['no room', 'still no room'],
  )
})

test('a replica that waits again is told by the refusal that its workload has already', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aService({ replicas: 2 })])
  const claim = await aClaim(store)
  const refused = (replica: number) => ({
    ...aPlacing(id, { replica }).decision,
    placement: null,
    refusal: { cause: 'capacity' as const, text: 'no room', next: [] },
  })
  const placed = aPlacing(id, { replica: 1 })
  await store.placement.commit(claim, [placed], [refused(0)], aNow)
  await store.apply([
    { change: 'attempt', id: placed.attemptId, to: 'lost', reason: 'gone' },
    { change: 'replica-waits', workload: id, replica: 1, losses: 1, failures: 0, notBefore: 0, avoid: {} },
  ])
  await store.placement.commit(claim, [], [refused(0), refused(1)], aNow)
  const asked = { now: aNow, most: 9, after: null, asleep: new Map<string, number>() }
  const { waiting } = await store.placement.snapshot(asked)
  const asleep = new Map(waiting.map(({ need }) => [need ?? '', 0]))
  assert.equal(waiting.length, 2)
  // Fewer than wait: where few do, all are read, asleep or not.
  assert.deepEqual((await store.placement.snapshot({ ...asked, most: 1, asleep })).waiting, [])
  assert.deepEqual((await store.placement.snapshot({ ...asked, asleep })).waiting, waiting)
})

test('those asleep are read in turn replica by replica, however many an array has, and a need that is to rest is not', async () => {
  await using store = await aStore()
  const [array = ''] = await submitted(store, [aService({ replicas: 250 })])
  const [job = ''] = await submitted(store, [aJob()], aNow + 1)
  const asked = { now: aNow + 1, most: 999, after: null as string | null }
  const { waiting } = await store.placement.snapshot({ ...asked, asleep: new Map() })
  const refused = waiting.map(({ workload, replica: { replica } }) => ({
    ...aPlacing(workload.id, { replica }).decision,
    placement: null,
    refusal: { cause: 'capacity' as const, text: 'no room', next: [] },
  }))
  await store.placement.commit(await aClaim(store), [], refused, aNow)
  const asleep = new Map(waiting.map(({ need }) => [need, 0]))
  const read = new Set<string>()
  for (let [rounds, after] = [0, '']; rounds < 3; rounds++) {
    const found = await store.placement.snapshot({ ...asked, asleep, after })
    for (const { workload, replica } of found.waiting) read.add(`${workload.id} ${replica.replica}`)
    after = found.after
    assert.equal(after === '', rounds === 2)
  }
  assert.equal(read.size, 251)
  assert.deepEqual((await store.placement.snapshot({ ...asked, asleep })).waiting, [])
  const some = new Map([...asleep].map(([need], i) => [need, i]))
  assert.equal((await store.placement.snapshot({ ...asked, asleep: some })).waiting.length, 1)
  assert.ok(read.has(`${job} 0`) && read.has(`${array} 249`))
})

test('a line is read on behind whom it was read to, some at a time', async () => {
  await using store = await aStore()
  const ids = await submitted(
    store,
    Array.from({ length: 300 }, () => aJob()),
  )
  await submitted(store, [aJob({ resources: { cpus: 7 } }), aJob({ priority: 3 })], aNow - 1)
  const { waiting } = await store.placement.snapshot({ now: aNow, most: 400 })
  const [first, ...others] = waiting.filter(({ workload }) => ids.includes(workload.id))
  assert.ok(first)
  const placeOf = ({ workload: { id, createdAt } }: typeof first) => ({ createdAt, workload: id, replica: 0 })
  const { need } = first
  const behind = { need, ...placeOf(first) }
  // Of one need alone much is read, of several some of each.
  const none = Array.from({ length: 7 }, (_, i) => ({ ...behind, need: `none-${i}` }))
  const nobody = none.map(({ need: other }) => ({ need: other, asked: [], isAll: true }))
  const some = await store.placement.more([behind, ...none], aNow)
  assert.deepEqual(some, [{ need, asked: others.slice(0, 256), isAll: false }, ...nobody])
  const rest = await store.placement.more([{ need, ...placeOf(others[255] ?? first) }], aNow)
  assert.deepEqual(rest, [{ need, asked: others.slice(256), isAll: true }])
})

test('a start that is promised to any replica is kept for its workload', async () => {
  await using store = await aStore()
  const [id = ''] = await submitted(store, [aService({ replicas: 2 })])
  const start = { earliest: aNow + 1, at: aNow + 2, site: 'local/west', order: 1 }
  const refused = [0, 1].map((replica) => ({
    ...aPlacing(id, { replica }).decision,
    placement: null,
    refusal: { cause: 'capacity' as const, text: 'no room', next: [], ...(replica === 1 && { start }) },
  }))
  await store.placement.commit(await aClaim(store), [], refused, aNow)
  assert.deepEqual((await store.workloads.refusal(id))?.start, start)
})

test('leases that hold the same at the same place come as one, but for those of who waits', async () => {
  await using store = await aStore()
  const long = await submitted(store, [aJob({ name: 'long', duration: { expected: '2h' } })])
  const short = await submitted(store, [aJob({ name: 'short', duration: { expected: '1h' } })], aNow + 1)
  const rest = await submitted(
    store,
    Array.from({ length: 3 }, () => aJob()),
    aNow + 2,
  )
  const [service = ''] = await submitted(store, [aService({ replicas: 3 })], aNow + 3)
  const jobs = [...long, ...short, ...rest].map((id) => aPlacing(id))
  await held(store, [...jobs, aPlacing(service), aPlacing(service, { replica: 1, nodes: 2 })])
  const running = jobs.map(
    ({ attemptId }) => ({ change: 'attempt', id: attemptId, to: 'running', reason: '' }) as const,
  )
  await store.apply(running)
  const { waiting, leases } = await store.placement.snapshot({ now: aNow, most: 10 })
  assert.deepEqual(
    waiting.map(({ replica }) => replica.replica),
    [2],
  )
  const youngest = jobs
    .map(({ leaseId }) => leaseId)
    .toSorted()
    .at(-1)
  const together = leases.find(({ times }) => times === 5)
  const [first] = await store.workloads.attempts(short[0] ?? '')
  assert.equal(together?.id, youngest)
  assert.deepEqual([together?.endsName, together?.endsAt], ['short', (first?.startedAt ?? 0) + 3_600_000])
  assert.deepEqual(
    leases
      .filter(({ workload }) => workload === service)
      .map(({ times, ranks }) => [times, ranks.length])
      .sort(),
    [
      [1, 1],
      [1, 2],
    ],
  )
  assert.equal(leases.length, 3)
})

test('what a project held of late counts half after a half-life, and what it holds counts from its start on', async () => {
  await using store = await aStore()
  const hour = 3_600_000
  const [old = '', long = '', ended = ''] = await submitted(store, [aJob(), aJob(), aJob()])
  const [first, second, third] = [aPlacing(old), aPlacing(long), aPlacing(ended)]
  await held(store, [first, second, third])
  const client = new Client({ connectionString: store.url })
  await client.connect()
  for (const [{ leaseId }, from, to] of [
    [first, aNow - hour, null],
    [second, aNow - 100_000 * hour, null],
    [third, aNow - 2 * hour, aNow - hour],
  ] as const)
    await client.query('update leases set started_at = $2, ended_at = $3 where id = $1', [leaseId, from, to])
  await client.end()
  const cpuMilli = first.decision.placement?.ranks[0]?.cpuMilli ?? 0
  const usage = await store.placement.usage({ now: aNow, halfLifeMs: hour })
  assert.equal(usage.get('default')?.cpuMilli, cpuMilli * 1.75)
})
