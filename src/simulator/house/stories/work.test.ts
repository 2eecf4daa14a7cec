import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { aSite } from '#rigs/watched-world.ts'

test('first in is first out among equals, however they were submitted', async () => {
  await using house = await aHouse({ sites: [aSite('west', 1)] })
  const ids: string[] = []
  for (const name of ['one', 'two', 'three', 'four', 'five']) ids.push(await house.submit(name, { runMs: 10_000 }))
  const late = await house.submit('urgent', { runMs: 10_000, priority: 5 })
  await house.runUntil('all end', () => [...ids, late].every((id) => house.workload(id).state === 'succeeded'))
  const starts = [...ids, late].map((id) => ({ id, at: house.attempts(id)[0]?.createdAt ?? 0 }))
  const order = starts.sort((a, b) => a.at - b.at).map(({ id }) => id)
  const [first, ...others] = ids
  assert.deepEqual(order, [first, late, ...others])
  await house.toRest()
})

test('a cancel at any moment of a recovery leaves nothing', async () => {
  for (const afterMs of [0, 400, 1_000, 1_700, 2_500, 3_300, 4_100, 5_500, 7_000, 10_000]) {
    await using house = await aHouse({ faults: { bootMs: [2_000, 2_000], callMs: [50, 300] } })
    const id = await house.submit('ill', { nodes: 2, runMs: 600_000, stopMs: 1_000 })
    await house.runUntil('it runs', () => house.workload(id).state === 'running')
    for (const site of ['west', 'east']) house.cloud.befall(site, 'vanished')
    await house.clock.advance(afterMs)
    await house.asked('POST', `/v1/workloads/${id}/stop`)
    await house.runUntil('it ends', () => house.workload(id).state === 'stopped', 120_000)
    await house.toRest()
  }
})

test('a node that a service loses restarts what ran on it, and nothing else', async () => {
  await using house = await aHouse({ sites: [aSite('west', 8)] })
  const id = await house.submit('web', { kind: 'service', ports: [80], replicas: 4, runMs: 3_600_000 })
  const running = () => house.attempts(id).filter(({ state }) => state === 'running')
  await house.runUntil('all four run', () => running().length === 4)
  const [gang] = house.cloud.gangs('west')
  house.cloud.befall('west', 'vanished', { token: gang?.token ?? '' })
  await house.runUntil('it is there again', () => running().length === 4 && house.attempts(id).length === 5)
  assert.deepEqual(
    house.attempts(id).map(({ state }) => state),
    ['lost', 'running', 'running', 'running', 'running'],
  )
  assert.equal(house.workload(id).state, 'running')
  await house.asked('POST', `/v1/workloads/${id}/stop`)
  await house.toRest()
})

test('a lost node of an array gives back its tasks, and its other workers go on', async () => {
  await using house = await aHouse({ sites: [aSite('west', 4)], agents: ['west'] })
  const id = await house.submit('many', {
    kind: 'array',
    tasks: 48,
    parallelism: 24,
    resources: { cpus: 0.4 },
    runMs: 20_000,
  })
  await house.runUntil('three work', () => house.attempts(id).filter(({ state }) => state === 'running').length === 3)
  const [gang] = house.cloud.gangs('west')
  house.cloud.befall('west', 'vanished', { token: gang?.token ?? '' })
  await house.runUntil('it ends', () => house.workload(id).state === 'succeeded')
  const states = house.attempts(id).map(({ state }) => state)
  assert.equal(states.filter((state) => state === 'lost').length, 1)
  assert.deepEqual(states.slice(1, 3), ['succeeded', 'succeeded'])
  await house.toRest()
})

test('a site that hangs delays only itself', async () => {
  const sites = ['west', 'north', 'east'].map((name) => aSite(name, 8))
  await using house = await aHouse({ sites, planes: ['a', 'b'] })
  house.cut('west', 'hanging')
  const ids: string[] = []
  const began = house.clock.now()
  for (const site of ['west', 'north', 'east'])
    for (let i = 0; i < 3; i++)
      ids.push(await house.submit(`${site}-${i}`, { placement: { sites: [`simulated/${site}`] }, runMs: 20_000 }))
  const [west, others] = [ids.slice(0, 3), ids.slice(3)]
  await house.runUntil('the others end', () => others.every((id) => house.workload(id).state === 'succeeded'), 90_000)
  // Alone they take 20 s and what it takes to place, boot and hear of them.
  assert.ok(house.clock.now() - began < 45_000, `they took ${house.clock.now() - began} ms`)
  for (const id of west) assert.equal(house.workload(id).state, 'queued')
  house.restore('west')
  await house.runUntil('those there end, too', () => west.every((id) => house.workload(id).state === 'succeeded'))
  await house.toRest()
})

test('credentials that expire stop new work there, and are told; what runs goes on, and nothing leaks', async () => {
  await using house = await aHouse({ sites: [aSite('west', 4, 1), aSite('east', 4, 1_000_000)] })
  const before = await house.submit('before', { runMs: 120_000 })
  await house.runUntil('it runs', () => house.workload(before).state === 'running')
  assert.equal(house.cloud.used('west')[0], 1)
  house.cloud.befall('west', 'denied')
  await house.runFor(20_000)
  const site = house.tables().sites.get('simulated/west')
  assert.equal(site?.reach, 'denied')
  const after = await house.submit('after', { runMs: 20_000 })
  await house.runUntil('it runs elsewhere', () => house.workload(after).state === 'running')
  assert.equal(house.cloud.used('east')[0], 1)
  const events = (await house.asked('GET', '/v1/events')) as { items: { type: string; message: string }[] }
  assert.ok(events.items.some(({ type, message }) => type === 'site.denied' && message.includes('simulated/west')))
  await house.runFor(120_000)
  house.cloud.calm('west')
  await house.runUntil('both end', () => [before, after].every((id) => house.workload(id).endedAt !== null))
  assert.deepEqual([house.workload(before).state, house.workload(after).state], ['succeeded', 'succeeded'])
  assert.equal(house.attempts(before).length, 1)
  await house.toRest()
})

test('late, doubled, lost and old answers while it starts never end what runs', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const rates = { late: 0.2, duplicated: 0.2, 'lost-reply': 0.2, 'timed-out': 0.1, 'old-view': 0.3 }
    await using house = await aHouse({
      seed,
      faults: { rates, lagMs: [0, 5_000], lateMs: [0, 20_000], hiddenMs: [0, 5_000] },
    })
    const ids: string[] = []
    for (let i = 0; i < 4; i++) ids.push(await house.submit(`job-${i}`, { runMs: 60_000 }))
    await house.runUntil('all end', () => ids.every((id) => house.workload(id).endedAt !== null))
    for (const id of ids) assert.equal(house.workload(id).state, 'succeeded', house.workload(id).reason)
    await house.toRest()
  }
})

test('an impossible gang is refused at once, with what would help, and holds up nobody', async () => {
  await using house = await aHouse({ sites: [aSite('west', 4)] })
  const impossible = await house.submit('too-large', { nodes: 2, resources: { memory: '64GB' } })
  const possible = await house.submit('fits', { nodes: 4 })
  await house.runFor(2_000)
  const { refusal } = house.workload(impossible)
  assert.equal(refusal?.impossible, true)
  assert.match(refusal?.text ?? '', /Waiting does not help.*a node has 16GB of memory, asked for 64GB/)
  assert.ok((refusal?.next.length ?? 0) > 0, 'it does not say what helps')
  await house.runUntil('the other ends', () => house.workload(possible).state === 'succeeded')
  assert.equal(house.workload(impossible).state, 'queued')
  await house.toRest()
})

test('what has used up its budget stops once and for all, though rounding takes some of it off again', async () => {
  await using house = await aHouse({ sites: [aSite('west', 4, 1_234_567)] })
  const budget = { limit: '$0.05', whenUsed: 'stop' } as const
  const id = await house.submit('dear', { kind: 'service', ports: [80], replicas: 3, runMs: 3_600_000, budget })
  await house.runUntil('it ends', () => house.workload(id).endedAt !== null, 300_000)
  assert.equal(house.workload(id).state, 'stopped')
  assert.equal(house.workload(id).reason, 'its budget of $0.05 is used up')
  assert.equal(house.attempts(id).length, 3)
  await house.toRest()
})
