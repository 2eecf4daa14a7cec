import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { Job } from '#simulator/traces/job.ts'

const hour = 3_600_000
const spot = { site: 'aws/us', provider: 'aws', tier: 'spot', priceMicros: 1_000_000 } as const
const lasting = { site: 'aws/us', provider: 'aws', priceMicros: 4_000_000, count: 8 } as const
const both = aFleet({ ...spot, count: 2 }, lasting)
const due = (deadlineMs: number, more: Partial<Job> = {}) => ({
  deadlineMs,
  checkpointMs: 60_000,
  restartMs: 60_000,
  ...more,
})

/** Spot capacity comes and goes, as parts of a group, for so many hours each. */
const market = (fleet: typeof both, ...hours: [forHours: number, part: number][]): Partial<Scenario> => {
  let at = 0
  const steps = hours.map(([lasts, part]) => {
    const step = { atMs: at, part }
    at += lasts * hour
    return step
  })
  return { spot: fleet.groups.filter(({ tier }) => tier === 'spot').map((group) => ({ group, trace: { steps } })) }
}

test('who could not end by its deadline any more is told, as it arrives or while it waits', () => {
  const fleet = aFleet({ count: 1 })
  const jobs = someJobs(
    [0, 8, hour],
    [1, 8, hour, due(hour)],
    [2, 8, hour, due(1.5 * hour)],
    [3, 8, hour, due(3 * hour)],
  )
  const { begins, ends, records } = ran({ fleet, jobs, policy: 'isobar' })
  assert.deepEqual(
    records.map(({ refused }) => refused?.atMs),
    [undefined, 1, hour / 2 + 1, undefined],
  )
  assert.deepEqual([begins.j3, ends.j3], [hour, 2 * hour])
  assert.match(
    records[2]?.refused?.refusal.text ?? '',
    /^It cannot end by its deadline of 1h30m after the trace began any more: it is expected to run for 1h\.$/,
  )
  // Others start it and are late.
  assert.equal(ran({ fleet, jobs, policy: 'fifo' }).ends.j2, 3 * hour)
})

test('with time it goes on spot capacity, waits for it when it is gone, and ends on what lasts', () => {
  const scenario = market(both, [2, 1], [40, 0])
  const { records, begins, ends } = ran({
    fleet: both,
    jobs: someJobs([0, 8, 4 * hour, due(24 * hour)]),
    scenario,
    policy: 'isobar',
  })
  const [record] = records
  assert.equal(begins.j0, 0)
  assert.equal(record?.losses, 1)
  // Two hours were done on spot capacity; the other two are begun so that they end in time.
  assert.ok((ends.j0 ?? 0) > 5 * hour && (ends.j0 ?? 0) <= 24 * hour, `ended after ${(ends.j0 ?? 0) / hour} h`)
})

test('without time for a loss it goes where nobody takes its nodes away', () => {
  const { records } = ran({
    fleet: both,
    jobs: someJobs([0, 8, hour, due(hour + 60_000)]),
    scenario: market(both, [0.5, 1], [9, 0]),
    policy: 'isobar',
  })
  assert.deepEqual([records[0]?.losses, records[0]?.endsAtMs], [0, hour])
})

test('nodes that are paid for anyway go before all others', () => {
  const fleet = aFleet({ ...spot, count: 2 }, lasting, { ...lasting, tier: 'committed', count: 1 })
  const jobs = someJobs([0, 8, hour, due(24 * hour)], [1, 8, hour, due(24 * hour)])
  const { records } = ran({ fleet, jobs, policy: 'isobar', scenario: market(fleet, [0.5, 1], [9, 0]) })
  assert.deepEqual(
    records.map(({ losses }) => losses),
    [0, 1],
  )
})

test('nodes that are paid for stand before spot capacity where nothing else lasts, and spot capacity for nothing may be lost', () => {
  const fleet = aFleet({ ...spot, count: 2 }, { ...lasting, tier: 'committed', count: 1 })
  const jobs = someJobs([0, 8, hour, due(24 * hour)])
  const { replay } = aReplay({ fleet, jobs, policy: 'isobar' })
  replay.step()
  assert.equal(replay.records[0]?.spots[0], 2)
  const free = aFleet({ ...spot, count: 2, priceMicros: 0 }, lasting)
  const tight = someJobs([0, 8, 10 * hour, due(12 * hour, { checkpointMs: 5 * hour })])
  assert.equal(
    ran({ fleet: free, jobs: tight, policy: 'isobar', scenario: market(free, [4, 1], [9, 0]) }).ends.j0,
    10 * hour,
  )
})

test('what lasts and is full is no way out: a dearer one that has room is planned on', () => {
  const [cheap, dear] = [
    { ...lasting, priceMicros: 500_000, count: 1 },
    { ...lasting, priceMicros: 9_000_000 },
  ]
  const fleet = aFleet({ ...spot, count: 2 }, cheap, dear)
  const jobs = someJobs([0, 8, 20 * hour], [1, 8, 10 * hour, due(10 * hour + 1)])
  const { ends } = ran({ fleet, jobs, policy: 'isobar', scenario: market(fleet, [4, 1], [9, 0]) })
  assert.equal(ends.j1, 10 * hour + 1)
})

test('a deadline of who has long ended keeps no simulation going', () => {
  const [held, lost] = [
    aFleet({ tier: 'committed' }, { tier: 'on-demand', count: 2 }),
    someJobs([0, 8, hour, due(300 * 24 * hour)], [0, 16, hour]),
  ]
  const outages: Scenario['outages'] = [{ groups: held.groups.slice(1), atMs: 0, forMs: null, running: 'lost' }]
  const { replay } = aReplay({ fleet: held, jobs: lost, policy: 'isobar', scenario: { outages } })
  while (replay.step());
  assert.equal(replay.now, hour)
})

/** Markets, and jobs with deadlines that could be kept if they stood alone. */
const markets = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, 0.5, 1)), {
  minLength: 1,
  maxLength: 12,
})
const job = fc.record({
  at: fc.integer({ min: 0, max: 20 * hour }),
  lasts: fc.integer({ min: 60_000, max: 4 * hour }),
  slack: fc.integer({ min: 0, max: 8 * hour }),
  checkpointMs: fc.constantFrom(0, 600_000, hour),
  restartMs: fc.constantFrom(0, 300_000, 900_000),
  ranks: fc.constantFrom(1, 2),
})
type Drawn = typeof job extends fc.Arbitrary<infer T> ? T : never

function replayed(fleet: typeof both, steps: readonly [number, number][], list: readonly Drawn[]) {
  const jobs = someJobs(
    ...list.map(({ at, lasts, slack, ranks, ...more }): [number, number, number, Partial<Job>] => [
      at,
      8 * ranks,
      lasts,
      due(at + lasts + slack, { ...more, ranks }),
    ]),
  )
  const scenario = market(fleet, ...steps.map(([fifths, part]): [number, number] => [fifths / 5, part]))
  return ran({ fleet, jobs, scenario, policy: 'isobar' }).records
}

test('where what lasts suffices for all, every deadline is kept', () => {
  fc.assert(
    fc.property(markets, fc.array(job, { minLength: 1, maxLength: 3 }), (steps, list) => {
      for (const { job: one, state, endsAtMs } of replayed(both, steps, list))
        assert.ok(state === 'ended' && endsAtMs <= (one.deadlineMs ?? 0), `${one.id} is ${state}, at ${endsAtMs}`)
    }),
    { numRuns: 30 },
  )
})

test('where little lasts, everybody ends in time or is told that it cannot', () => {
  const little = aFleet({ ...spot, count: 2 }, { ...lasting, count: 2 })
  fc.assert(
    fc.property(markets, fc.array(job, { minLength: 4, maxLength: 7 }), (steps, list) => {
      for (const { job: one, state, endsAtMs, refused } of replayed(little, steps, list)) {
        const isInTime = state === 'ended' && endsAtMs <= (one.deadlineMs ?? 0)
        assert.ok(isInTime || refused?.refusal.cause === 'deadline', `${one.id} is ${state}, at ${endsAtMs}`)
      }
    }),
    { numRuns: 20 },
  )
})
