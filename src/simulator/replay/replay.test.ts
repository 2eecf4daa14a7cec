import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { Job } from '#simulator/traces/job.ts'

const site = aFleet({ count: 2 })
const outageOf = (running: 'lost' | 'kept', forMs: number | null): Partial<Scenario> => ({
  outages: [{ groups: [...site.groups], atMs: 50, forMs, running }],
})

test('first come, first served: nobody passes the first, and the shortest first lets others by', () => {
  const jobs = someJobs([0, 12, 100], [1, 16, 10], [2, 4, 10])
  assert.deepEqual(ran({ fleet: site, jobs }).begins, { j0: 0, j1: 100, j2: 110 })
  assert.deepEqual(ran({ fleet: site, jobs, policy: 'sjf' }).begins, { j0: 0, j1: 100, j2: 2 })
})

test('priority goes before the order of any policy', () => {
  const jobs = someJobs([0, 16, 10], [1, 16, 10], [2, 16, 100, { priority: 1 }])
  for (const policy of ['fifo', 'sjf', 'fair'])
    assert.deepEqual(ran({ fleet: site, jobs, policy }).begins, { j0: 0, j2: 10, j1: 110 })
  assert.deepEqual(ran({ fleet: site, jobs, policy: 'srtf' }).begins.j2, 2)
})

test('SRTF stops the longer one, which keeps its work and pays for its restart', () => {
  const jobs = someJobs([0, 16, 100, { restartMs: 5, checkpointMs: 60 }], [30, 8, 20])
  const { ends, records } = ran({ fleet: site, jobs, policy: 'srtf' })
  assert.deepEqual(ends, { j0: 125, j1: 50 })
  assert.deepEqual([records[0]?.preemptions, records[0]?.lostMs, records[0]?.startupMs], [1, 0, 5])
})

test('SRSF weighs time by accelerators, SRTF does not', () => {
  const jobs = someJobs([0, 16, 10], [1, 16, 20], [2, 4, 30])
  assert.ok(
    Number(ran({ fleet: site, jobs, policy: 'srtf' }).begins.j1) <
      Number(ran({ fleet: site, jobs, policy: 'srsf' }).begins.j1),
  )
})

test('whom it stops, a policy stops as few of as it needs', () => {
  const jobs = someJobs([0, 4, 900], [0, 4, 800], [0, 8, 700], [10, 4, 5])
  const { records } = ran({ fleet: site, jobs, policy: 'srtf' })
  assert.deepEqual(
    records.map(({ preemptions }) => preemptions),
    [1, 0, 0, 0],
  )
})

test('whom it would have stopped in vain, a policy spares', () => {
  // The longest one leaves half a node, which is too little beside the short one; the next leaves a whole node.
  const jobs = someJobs([0, 4, 900], [0, 4, 10], [0, 8, 800], [5, 8, 100])
  const { replay } = aReplay({ fleet: site, jobs, policy: 'srtf' })
  while (replay.now < 5) replay.step()
  assert.deepEqual(
    replay.records.map(({ preemptions }) => preemptions),
    [0, 0, 1, 0],
  )
})

test('the least attained service goes first once an hour of an accelerator is past', () => {
  const hour = 3_600_000
  const jobs = someJobs([0, 16, hour], [1000, 16, 1000])
  const { begins, ends } = ran({ fleet: site, jobs, policy: 'las' })
  assert.deepEqual(begins, { j0: 0, j1: hour / 16 })
  assert.equal(ends.j0, hour + 1000)
})

test('fair gives the next to the project that has the least', () => {
  const a = { project: 'a' }
  const jobs = someJobs([0, 8, 100, a], [0, 8, 50, a], [1, 8, 50, a], [2, 8, 50, { project: 'b' }])
  assert.deepEqual(ran({ fleet: site, jobs, policy: 'fair' }).begins, { j0: 0, j1: 0, j2: 100, j3: 50 })
})

const spotsOf = (ranks: number) => {
  const { replay } = aReplay({ fleet: aFleet({ count: 3 }), jobs: someJobs([0, 12, 10, { ranks }]) })
  replay.step()
  return replay.records[0]?.spots
}

test('fair compares projects by the larger of their shares, of accelerators and of cores', () => {
  const fleet = aFleet({ count: 2 }, { unit: 'cpu', size: 100_000 })
  const [a, b] = [{ project: 'a' }, { project: 'b' }]
  const cores = { unit: 'cpu' as const }
  // a has three quarters of the accelerators, b half of the cores: the next is for b.
  const jobs = someJobs(
    [0, 12, 100, a],
    [0, 50_000, 100, { ...b, ...cores }],
    [1, 8, 9, a],
    [2, 4, 9, a],
    [2, 4, 9, b],
    [2, 4, 9, b],
  )
  const { begins } = ran({ fleet, jobs, policy: 'fair' })
  assert.deepEqual([begins.j3, begins.j4, begins.j5], [20, 2, 11])
})

test('isobar takes the cheapest first and gangs whole, and nobody passes who would delay one that was promised a start', () => {
  const fleet = aFleet({ count: 2, priceMicros: 20 }, { count: 1, priceMicros: 10, site: 'aws/there', provider: 'aws' })
  const jobs = someJobs([0, 8, 100], [0, 8, 50], [1, 16, 10], [2, 8, 10], [3, 8, 60])
  const { begins, records } = ran({ fleet, jobs, policy: 'isobar' })
  assert.deepEqual(begins, { j0: 0, j1: 0, j2: 50, j3: 2, j4: 60 })
  assert.deepEqual(
    records.map(({ state }) => state),
    Array.from(records, () => 'ended'),
  )
})

/** The first node of each job, in the order of their starts. */
const stood = (count: number, jobs: Job[], policy: string) => {
  const fleet = aFleet({ count, priceMicros: 10 }, { count, priceMicros: 20, site: 'aws/there', provider: 'aws' })
  const prices = [{ groups: fleet.groups.slice(0, 1), atMs: 5, priceMicros: 30 }]
  const { replay } = aReplay({ fleet, jobs, policy, scenario: { prices } })
  const spots = new Map<string, number | undefined>()
  while (replay.step()) for (const one of replay.records) if (one.spots.length > 0) spots.set(one.job.id, one.spots[0])
  return [...spots.values()]
}

test('steps of prices change what is cheapest, for who comes later and for who waits', () => {
  for (const policy of ['fifo', 'isobar']) {
    assert.deepEqual(stood(2, someJobs([0, 8, 50], [2, 8, 10], [6, 8, 10]), policy), [0, 1, 2], policy)
    assert.deepEqual(stood(1, someJobs([0, 8, 50], [0, 8, 50], [2, 8, 9]), policy), [0, 1, 1], policy)
  }
})

test('ranks are equal parts, and without them a gang takes whole nodes and the remainder', () => {
  assert.deepEqual(spotsOf(0), [0, 8, 1, 4])
  assert.deepEqual(spotsOf(3), [0, 8, 1, 4])
  assert.deepEqual(spotsOf(2), [0, 6, 1, 6])
})

test('a gang that asks for one domain waits for one, under every policy, and policies that stop others make room in one', () => {
  const racks = aFleet({ count: 5, domains: [2, 4] })
  // A long job on half of each rack: there is room for two nodes, but not in one rack; the fifth node is a rack alone.
  const jobs = someJobs([0, 8, 50], [0, 8, 100], [0, 8, 50], [0, 8, 90], [0, 8, 95], [1, 16, 10, { within: 1 }])
  const begin = (policy: string) => Number(ran({ fleet: racks, jobs, policy }).begins.j5)
  for (const policy of ['fifo', 'sjf', 'fair', 'isobar']) assert.ok(begin(policy) >= 50, policy)
  assert.equal(begin('srtf'), 1)
  const wide = someJobs([0, 32, 10, { within: 2 }], [0, 40, 10, { within: 2 }], [0, 24, 10, { within: 1 }])
  assert.deepEqual(
    ran({ fleet: racks, jobs: wide }).records.map(({ state }) => state),
    ['ended', 'refused', 'refused'],
  )
})

test('what an outage takes goes back to its last checkpoint; where work is kept, only nothing new starts', () => {
  const jobs = someJobs([0, 8, 100, { checkpointMs: 30, restartMs: 10 }], [60, 8, 10])
  const lost = ran({ fleet: site, jobs, scenario: outageOf('lost', 200) })
  assert.deepEqual(lost.ends, { j0: 250 + 10 + 70, j1: 260 })
  assert.deepEqual([lost.records[0]?.losses, lost.records[0]?.lostMs], [1, 20])
  const kept = ran({ fleet: site, jobs, scenario: outageOf('kept', 200) })
  assert.deepEqual(kept.ends, { j0: 100, j1: 260 })
})

test('what can never start again waits at the end, and what no fleet of this size holds is refused', () => {
  const jobs = someJobs([0, 8, 100], [60, 8, 10], [0, 17, 10])
  const { records } = ran({ fleet: site, jobs, scenario: outageOf('lost', null) })
  assert.deepEqual(Object.fromEntries(records.map(({ job, state }) => [job.id, state])), {
    j0: 'waiting',
    j2: 'refused',
    j1: 'waiting',
  })
})

test('outages that overlap count: a node is back when all of them are over', () => {
  const outages = [10, 20].map((atMs) => ({ groups: [...site.groups], atMs, forMs: 30, running: 'lost' as const }))
  assert.deepEqual(ran({ fleet: site, jobs: someJobs([15, 8, 10]), scenario: { outages } }).begins, { j0: 50 })
})

test('of a spot group there is as much as its trace says', () => {
  const fleet = aFleet({ count: 4, tier: 'spot' })
  const [group = fleet.groups[0]] = fleet.groups
  assert.ok(group)
  const trace = { steps: [1, 0.5, 1].map((part, i) => ({ atMs: i * 40, part })) }
  const jobs = someJobs([0, 8, 100], [0, 8, 100], [0, 8, 100], [0, 8, 100])
  const { records, ends } = ran({ fleet, jobs, scenario: { spot: [{ group, trace }] } })
  assert.equal(records.filter(({ losses }) => losses === 1).length, 2)
  assert.deepEqual(
    Object.values(ends).sort((a, b) => a - b),
    [100, 100, 140, 140],
  )
})

test('faults come at about their rate, and the seed alone decides which', () => {
  const fleet = aFleet({ count: 1000 })
  const faults = [{ groups: [...fleet.groups], ratePer1000NodeDays: 10, repairMs: 60_000 }]
  const digestOf = (seed: number) => {
    const { replay } = aReplay({
      fleet,
      jobs: someJobs([0, 8000, 100 * 86_400_000]),
      scenario: { faults, checkpointMs: 1000 },
      seed,
    })
    while (replay.step());
    return { digest: replay.outcome().digest, losses: replay.records[0]?.losses ?? 0 }
  }
  const first = digestOf(1)
  assert.ok(Math.abs(first.losses - 1000) < 150, String(first.losses))
  assert.deepEqual(digestOf(1), first)
  assert.notEqual(digestOf(2).digest, first.digest)
})

test('the digest of these decisions is this one, on every machine', () => {
  const { replay } = aReplay({ fleet: site, jobs: someJobs([0, 16, 100], [30, 8, 20], [31, 12, 7]), policy: 'srtf' })
  while (replay.step());
  assert.equal(replay.outcome().digest, '843c4e20df7b90d9572ebdf3e4a5e8bd')
})

test('paid capacity costs whether it is used or not, other capacity while anything stands on it, at the price of the time', () => {
  const fleet = aFleet({ tier: 'committed', priceMicros: 3_600_000 }, { tier: 'on-demand', priceMicros: 7_200_000 })
  const [, dear] = fleet.groups
  assert.ok(dear)
  const hour = 3_600_000
  const jobs = someJobs([0, 4, hour], [0, 8, 2 * hour], [0, 1, hour])
  const prices = [{ groups: [dear], atMs: hour, priceMicros: 1_000_000 }]
  const { replay } = aReplay({ fleet, jobs, scenario: { prices } })
  while (replay.step());
  // The free one takes four accelerators and one; the eight need a node of their own, which is paid by the hour.
  assert.deepEqual(replay.outcome().measured.costMicros, [7_200_000n, 8_200_000n])
})
