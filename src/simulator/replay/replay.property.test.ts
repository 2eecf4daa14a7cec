import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Project } from '#model/project.ts'
import { queuePolicies } from '#simulator/policies/queue-policy.ts'
import { before } from '#simulator/policies/queue-scheduler.ts'
import { createVictims } from '#simulator/policies/victims.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { Job } from '#simulator/traces/job.ts'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import type { Floor } from './floor.ts'
import type { Replay } from './replay.ts'
import type { JobRecord } from './job-record.ts'

const jobs = fc
  .array(
    fc.record({
      arrival: fc.integer({ min: 0, max: 200 }),
      amount: fc.constantFrom(1, 2, 3, 4, 8, 11, 16, 24, 64),
      ranks: fc.constantFrom(0, 0, 1, 2),
      within: fc.constantFrom(0, 0, 0, 1, 2),
      duration: fc.integer({ min: 1, max: 120 }),
      priority: fc.constantFrom(0, 0, 1, 2),
      project: fc.constantFrom('a', 'b', 'c'),
      checkpointMs: fc.constantFrom(0, 7, 50),
      restartMs: fc.constantFrom(0, 3),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((some): Job[] =>
    someJobs(
      ...some.map(({ arrival, amount, ranks, duration, ...rest }): [number, number, number, Partial<Job>] => [
        arrival,
        ranks > 0 ? Math.ceil(amount / ranks) * ranks : amount,
        duration,
        { ranks, ...rest },
      ]),
    ),
  )

const fleet = aFleet(
  { count: 5, domains: [2, 4], priceMicros: 3_600_000_000 },
  { count: 2, domains: [2], size: 4, site: 'aws/there', provider: 'aws', tier: 'spot', priceMicros: 7_200_000_000 },
)
const [here, there] = [fleet.groups.slice(0, 1), fleet.groups.slice(1)]

const scenario: fc.Arbitrary<Partial<Scenario>> = fc.record({
  faults: fc.constantFrom([], [{ groups: [...fleet.groups], ratePer1000NodeDays: 5e8, repairMs: 40 }]),
  outages: fc.constantFrom(
    [],
    [{ groups: here, atMs: 60, forMs: 50, running: 'lost' as const }],
    [{ groups: there, atMs: 20, forMs: 90, running: 'kept' as const }],
    [{ groups: there, atMs: 30, forMs: null, running: 'lost' as const }],
  ),
  prices: fc.constantFrom(
    [],
    [{ groups: there, atMs: 40, priceMicros: 1_000_000 }],
    [
      { groups: [...fleet.groups], atMs: 10, priceMicros: 50_000_000_000 },
      { groups: here, atMs: 90, priceMicros: 0 },
    ],
  ),
  spot: fc.constantFrom(
    [],
    there.map((group) => ({ group, trace: { steps: [0, 1, 0.5, 1].map((part, i) => ({ atMs: i * 60, part })) } })),
  ),
})

const preemption = { within: 'lower-priority', reclaim: 'any', perHour: null } as const
const accelerators = (count: number) => ({ accelerators: count })
/** It stops others for whose own they hold. */
const lab = [
  plainProject('lab', { quota: accelerators(8) }),
  plainProject('a', { parent: 'lab', quota: accelerators(16), preemption }),
  plainProject('b', { parent: 'lab', quota: accelerators(8), borrowing: accelerators(12), preemption }),
  plainProject('c', { weight: 3, preemption: { ...preemption, perHour: 1 } }),
]
/** Only isobar knows of them. */
const trees: fc.Arbitrary<Project[]> = fc.constantFrom(
  [],
  ['a', 'b'].map((name) => plainProject(name, { preemption })),
  lab,
  lab,
  [
    plainProject('lab', { quota: { domains: { nvlink: 2 } } }),
    plainProject('a', { parent: 'lab', budgetMicros: 150_000, preemption }),
    plainProject('b', { parent: 'lab', policy: { maxProviderShare: 0.5 }, preemption }),
    plainProject('c', { weight: 3, budgetMicros: 100_000, policy: { maxPriceMicros: 3_600_000_000 } }),
  ],
  [
    plainProject('a', { quota: { domains: { block: 1 } }, policy: { maxProviderShare: 0.3 } }),
    plainProject('b', { policy: { providers: ['aws'], maxPriceMicros: 3_000_000_000 } }),
    plainProject('c', { budgetMicros: 0 }),
  ],
)

const orders = queuePolicies.map(({ name }) => name)
const policies = fc.constantFrom(...orders, 'isobar')
const world = { jobs, scenario, projects: trees, policy: policies, seed: fc.integer({ min: 1, max: 1000 }) }

test('no node ever holds more than it has, or anything while it is out of use, and gangs are whole in one group', () => {
  fc.assert(
    fc.property(fc.record(world), (given) => {
      const { replay, floor } = aReplay({ fleet, ...given })
      while (replay.step()) {
        const on = new Map<number, number>()
        for (const { state, spots, job } of replay.records) {
          assert.equal(spots.length > 0, state === 'running')
          if (state !== 'running') continue
          let amount = 0
          for (let i = 0; i < spots.length; i += 2) {
            const [node = -1, part = 0] = [spots[i], spots[i + 1]]
            on.set(node, (on.get(node) ?? 0) + part)
            amount += part
            assert.ok(floor().usable(node))
            assert.equal(floor().groupOf(node), floor().groupOf(spots[0] ?? -1))
          }
          assert.equal(amount, job.amount)
        }
        for (const [node, amount] of on) assert.ok(amount <= floor().groupOf(node).size)
      }
    }),
    { numRuns: 300 },
  )
})

test('nobody waits who would fit, or may stop enough others; only the first, where nobody passes it', () => {
  fc.assert(
    fc.property(fc.record({ ...world, policy: fc.constantFrom(...orders) }), (given) => {
      const { replay, floor } = aReplay({ fleet, ...given })
      while (replay.step()) {
        const waiting = replay.records.filter(({ state, job }) => state === 'waiting' && job.arrivalMs <= replay.now)
        const first = waiting.toSorted((a, b) => b.job.priority - a.job.priority || a.index - b.index).slice(0, 1)
        for (const { demand } of given.policy === 'fifo' ? first : waiting) assert.equal(floor().fit(demand), undefined)
        for (const record of waiting) assert.deepEqual(whomToStop(record, replay, floor()), [])
      }
    }),
    { numRuns: 300 },
  )
})

/** Whom a job that waits may stop under a policy that stops anyone. */
function whomToStop(record: JobRecord, { records, now, policy }: Replay, floor: Floor): JobRecord[] {
  const { preempts, key } = queuePolicies.find(({ name }) => name === policy) ?? {}
  if (!preempts || !key) return []
  const keyed = (one: JobRecord) => ({ record: one, key: key(one, now) })
  const later = records
    .filter(({ state }) => state === 'running')
    .map(keyed)
    .filter((one) => before(keyed(record), one))
  return createVictims(floor, record.demand).choose(later)
}

test('every job ends, waits at the end, or was too large; what ended did all its work, and time adds up', () => {
  fc.assert(
    fc.property(fc.record(world), (given) => {
      const { replay } = aReplay({ fleet, ...given })
      while (replay.step());
      const outcome = replay.outcome()
      const { figures } = reportRun(fleet, outcome)
      const { jobs: all, ended, waiting, running, refused } = figures
      assert.equal(Number(ended) + Number(waiting) + Number(running) + Number(refused), Number(all))
      assert.deepEqual([running, figures.coming], [0, 0])
      for (const record of outcome.records) checkRecord(record)
      const held = outcome.records.reduce((sum, { heldMs, demand }) => sum + heldMs * demand.amount, 0)
      assert.equal(outcome.measured.usage.gpu.usedMs, held)
      // The least that the work could have cost is a lower bound, whatever prices do.
      assert.ok(BigInt(String(figures.costBoundMicros)) <= BigInt(String(figures.costMicros)))
      assert.equal(figures.lostHours, hoursOf(outcome.records, 'lostMs'))
      assert.ok(Number(ended) < outcome.records.length || Number(figures.makespanMs) >= Number(figures.makespanBoundMs))
    }),
    { numRuns: 300 },
  )
})

test('under isobar nobody waits to the end but for what was taken away for ever: who never starts is told so', () => {
  const passing = scenario.filter(({ outages = [] }) => outages.every(({ forMs }) => forMs !== null))
  let told = 0
  fc.assert(
    fc.property(fc.record({ ...world, scenario: passing, policy: fc.constant('isobar') }), (given) => {
      const { replay } = aReplay({ fleet, ...given })
      while (replay.step());
      for (const { state, refused, job } of replay.records) {
        assert.equal(state, refused ? 'refused' : 'ended', job.id)
        told += Number(refused !== null && refused.refusal.cause !== 'capacity')
      }
    }),
    { seed: 4, numRuns: 300 },
  )
  assert.ok(told > 100, String(told))
})

const hoursOf = (records: readonly JobRecord[], key: 'lostMs' | 'startupMs'): number =>
  Number((records.reduce((sum, record) => sum + record[key] * record.demand.amount, 0) / 3_600_000).toFixed(3))

/** All time on nodes is the work of the job, done once, and what was lost and started again. */
function checkRecord({ state, job, doneMs, lostMs, startupMs, heldMs, endsAtMs, ...record }: JobRecord): void {
  assert.equal(heldMs, doneMs + lostMs + startupMs)
  assert.equal(record.starts - record.preemptions - record.losses, state === 'ended' ? 1 : 0)
  if (record.checkpointMs === 0) assert.equal(lostMs, 0)
  if (state === 'ended') {
    assert.equal(doneMs, job.durationMs)
    assert.ok(endsAtMs >= job.arrivalMs + job.durationMs)
  }
}

test('equal input and seed give equal decisions to the last bit, with faults and preemption on', () => {
  let [lost, preempted] = [0, 0]
  fc.assert(
    fc.property(
      fc.record({ ...world, policy: fc.oneof(policies, fc.constant('isobar')) }),
      fc.boolean(),
      (some, slow) => {
        const given = slow ? slowed(some) : some
        const [first, second] = [1, 2].map(() => {
          const { replay } = aReplay({ fleet, ...given })
          while (replay.step());
          return replay.outcome()
        })
        assert.deepEqual(first && reportRun(fleet, first), second && reportRun(fleet, second))
        for (const record of given.policy === 'isobar' ? (first?.records ?? []) : []) {
          lost += record.losses
          preempted += record.preemptions
        }
      },
    ),
    { seed: 1, numRuns: 600 },
  )
  assert.ok(lost > 20 && preempted > 5, `isobar lost ${lost} and preempted ${preempted}`)
})

/** A thousand seconds for a millisecond, and no faults, which would come too often: for a short wait nobody is stopped. */
const slowed = <T extends { jobs: Job[]; scenario: Partial<Scenario> }>(some: T): T => ({
  ...some,
  jobs: some.jobs.map((job) => ({ ...job, arrivalMs: job.arrivalMs * 1e6, durationMs: job.durationMs * 1e6 })),
  scenario: { ...some.scenario, faults: [] },
})

test('on one accelerator nothing has a shorter mean completion time than SRTF (Schrage 1968)', () => {
  const one = aFleet({ size: 1 })
  const simple = fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.constant(1), fc.integer({ min: 1, max: 50 })), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(simple, policies, (some, other) => {
      const total = (name: string) =>
        Object.values(ran({ fleet: one, jobs: someJobs(...some), policy: name }).ends).reduce(
          (sum, end) => sum + end,
          0,
        )
      assert.ok(total('srtf') <= total(other))
    }),
    { numRuns: 200 },
  )
})
