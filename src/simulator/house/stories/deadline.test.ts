import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aHouse } from '#rigs/house-story.ts'
import { shape } from '#simulator/house/shape.ts'

const minute = 60_000
const pool = (tier: 'spot' | 'on-demand', priceMicros: number) => [{ tier, shape, priceMicros, nodes: 4 }]

test('who loses its spot node near its deadline goes on where nobody takes it away, and who has time to spare does not', async () => {
  const pools = [
    { tier: 'spot' as const, shape, priceMicros: 1_000_000, nodes: 4 },
    { tier: 'on-demand' as const, shape, priceMicros: 3_000_000, nodes: 4 },
  ]
  await using house = await aHouse({
    sites: [{ name: 'west', jurisdictions: ['DE', 'EU'], patienceMs: 30_000, pools }],
    lookMs: 5_000,
  })
  const submit = (name: string, minutes: number) =>
    house.submit(name, {
      runMs: 50 * minute,
      duration: { expected: '1h' },
      checkpoint: { every: '10m', grace: '5s' },
      deadline: new Date(house.clock.now() + minutes * minute).toISOString(),
    })
  const [near, far] = [await submit('near', 92), await submit('far', 600)]
  const tiersOf = (id: string) =>
    house
      .attempts(id)
      .map((attempt) => [...house.tables().leases.values()].find((lease) => lease.attempt === attempt.id)?.tier)
  await house.runUntil('both run', () => [near, far].every((id) => house.workload(id).state === 'running'))
  assert.deepEqual([tiersOf(near), tiersOf(far)], [['spot'], ['spot']])
  await house.runFor(9 * minute)
  for (const { token } of house.cloud.gangs('west')) house.cloud.befall('west', 'preempted', { token })
  await house.runUntil('both run again', () => [near, far].every((id) => house.attempts(id)[1]?.state === 'running'))
  assert.deepEqual(
    [tiersOf(near), tiersOf(far)],
    [
      ['spot', 'on-demand'],
      ['spot', 'spot'],
    ],
  )
  const why = async (id: string) => JSON.stringify(await house.asked('GET', `/v1/workloads/${id}/why`))
  assert.match(await why(near), /by the plan for its deadline, for \d+% of spot capacity is lost within an hour; \$/)
  assert.match(await why(far), /are expected to be paid from now on, and \$[\d.]+ on capacity that nobody takes away/)
  const isDone = (id: string) => house.workload(id).state === 'succeeded'
  await house.runUntil('both end in time', () => [near, far].every(isDone), 60 * minute)
  await house.toRest()
})

test('who waits for spot capacity that does not come starts in time where nobody takes it away', async () => {
  const pools = [
    { tier: 'spot' as const, shape, priceMicros: 1_000_000, nodes: 0 },
    { tier: 'on-demand' as const, shape, priceMicros: 3_000_000, nodes: 4 },
  ]
  await using house = await aHouse({
    sites: [{ name: 'west', jurisdictions: ['DE', 'EU'], patienceMs: 30_000, pools }],
    lookMs: 10_000,
  })
  const from = house.clock.now()
  const id = await house.submit('waits', {
    runMs: 60 * minute,
    duration: { expected: '1h' },
    checkpoint: { every: '10m', grace: '5s' },
    deadline: new Date(from + 150 * minute).toISOString(),
  })
  await house.runFor(30 * minute)
  assert.match(
    house.workload(id).reason,
    /^It has time\. It waits for spot capacity: no spot capacity is to be had; \$/,
  )
  await house.runUntil('it runs', () => house.workload(id).state === 'running', 60 * minute)
  const waitedMs = house.clock.now() - from
  assert.ok(waitedMs > 60 * minute && waitedMs < 80 * minute, `it waited for ${waitedMs / minute} minutes`)
  await house.runUntil('it ends in time', () => house.workload(id).state === 'succeeded', 70 * minute)
  await house.toRest()
})

test('who came to on-demand capacity goes back when there is spot capacity for it, not to and fro, and ends in time', async () => {
  const site = { jurisdictions: ['DE', 'EU'], patienceMs: 30_000 }
  await using house = await aHouse({
    sites: [
      { ...site, name: 'west', pools: pool('on-demand', 3_000_000) },
      { ...site, name: 'east', pools: pool('spot', 1_000_000) },
    ],
    lookMs: 10_000,
  })
  const allow = (...sites: string[]) => house.asked('PUT', '/v1/projects/default', { policy: { sites } })
  await allow('simulated/west')
  const id = await house.submit('due', {
    runMs: 60 * minute,
    duration: { expected: '2h' },
    checkpoint: { every: '10m', grace: '5s' },
    deadline: new Date(house.clock.now() + 600 * minute).toISOString(),
  })
  await house.runUntil('it runs', () => house.workload(id).state === 'running')
  await house.runFor(5 * minute)
  await allow('simulated/west', 'simulated/east')
  await house.runUntil('it goes back', () => house.attempts(id)[1]?.state === 'running', 3 * minute)
  const [first] = house.attempts(id)
  assert.match(first?.reason ?? '', /^goes back to spot capacity, which simulated\/east has: \$[\d.]+ are expected/)
  const siteOf = (attempt: string) => [...house.tables().leases.values()].find((one) => one.attempt === attempt)?.site
  assert.deepEqual(
    house.attempts(id).map((attempt) => siteOf(attempt.id)),
    ['west', 'east'],
  )
  // Its spot node is taken, and there is no other for a while: it does not go to and fro.
  await house.runFor(5 * minute)
  house.cut('east')
  for (const { token } of house.cloud.gangs('east')) house.cloud.befall('east', 'preempted', { token })
  await house.runUntil('it lost it', () => house.attempts(id)[1]?.state === 'lost', 5 * minute)
  house.restore('east')
  await house.runUntil('it ends in time', () => house.workload(id).state === 'succeeded', 150 * minute)
  const backs = house.attempts(id).filter(({ reason }) => reason.startsWith('goes back'))
  assert.ok(backs.length <= 2, `it went back ${backs.length} times`)
  await house.toRest()
})
