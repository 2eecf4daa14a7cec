import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Project } from '#model/project.ts'
import { aFleet, aReplay, someJobs } from '#simulator/builders.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import type { Scenario } from '#simulator/scenario/scenario.ts'
import type { Job } from '#simulator/traces/job.ts'

const fleet = aFleet(
  { count: 2, size: 2, accelerator: 'H100', acceleratorMemoryMiB: 80 * 1024, mig: true, priceMicros: 3_600_000_000 },
  { count: 2, size: 4, site: 'aws/there', provider: 'aws', tier: 'spot', priceMicros: 7_200_000_000 },
)
/** Sizes that fit together, and some that do not; the last can be had nowhere. */
const parts: Job['part'][] = [
  ...[100, 250, 400, 500, 600, 900].map((shareMilli) => ({ shareMilli })),
  ...['1g.10gb', '1g.20gb', '2g.20gb', '3g.40gb', '4g.40gb', '1g.12gb'].map((profile) => ({ profile })),
]
/** Nobody is stopped for a wait of milliseconds, so some come and run for a million times as long. */
const slow = 1e6
const jobs = fc
  .tuple(
    fc.constantFrom(1, slow),
    fc.array(
      fc.record({
        arrival: fc.nat(60),
        amount: fc.constantFrom(1, 1, 2, 4, 6),
        part: fc.oneof(fc.constant(null), fc.constantFrom(...parts)),
        duration: fc.integer({ min: 1, max: 60 }),
        priority: fc.nat(1),
        project: fc.constantFrom('a', 'b'),
        checkpointMs: fc.constantFrom(0, 7),
      }),
      { minLength: 4, maxLength: 30 },
    ),
  )
  .map(([times, some]) =>
    someJobs(
      ...some.map(({ arrival, amount, duration, ...rest }): [number, number, number, Partial<Job>] => [
        arrival * times,
        rest.part ? 1 : amount,
        duration * times,
        rest,
      ]),
    ),
  )
const preemption = { within: 'lower-priority', reclaim: 'any', perHour: null } as const
const projects: fc.Arbitrary<Project[]> = fc.constantFrom(
  [],
  [plainProject('a', { quota: { accelerators: 3 } }), plainProject('b', { budgetMicros: 200_000 })],
  [plainProject('a', { preemption }), plainProject('b', { quota: { nodes: 3 }, preemption })],
)
const scenario: fc.Arbitrary<Partial<Scenario>> = fc.record({
  faults: fc.constantFrom([], [{ groups: [...fleet.groups], ratePer1000NodeDays: 5e8, repairMs: 40 }]),
  outages: fc.constantFrom([], [{ groups: [...fleet.groups], atMs: 30, forMs: 20, running: 'lost' as const }]),
})

// Whoever looks on counts each accelerator that is shared, at every moment.
test('accelerators that are shared are never given twice, all ends or is refused, and equal input gives equal decisions', () => {
  let [together, stopped] = [0, 0]
  fc.assert(
    fc.property(fc.record({ jobs, projects, scenario, seed: fc.nat(1000) }), (drawn) => {
      const isSlow = drawn.jobs.every(({ durationMs }) => durationMs >= slow)
      const given = isSlow ? { ...drawn, scenario: { ...drawn.scenario, faults: [] } } : drawn
      const [first, second] = [1, 2].map(() => {
        const { replay, floor } = aReplay({ fleet, policy: 'isobar', ...given })
        while (replay.step()) {
          const { idleMilli, used } = floor().tallies.gpu
          const running = replay.records.filter(({ state }) => state === 'running')
          const milli = running.reduce((sum, { demand }) => sum + demand.amount * demand.milli, 0)
          assert.equal(1000 * used - idleMilli, milli)
          const places = running.flatMap(({ place, spots }) => (place ? `${spots[0]} ${place.device}` : []))
          together += Number(new Set(places).size < places.length)
        }
        const { used, idleMilli, usable } = floor().tallies.gpu
        assert.deepEqual([used, idleMilli], [0, 0])
        assert.ok(usable <= 12)
        return replay.outcome()
      })
      assert.deepEqual(first && reportRun(fleet, first), second && reportRun(fleet, second))
      for (const { job, state, refused, preemptions } of first?.records ?? []) {
        assert.equal(state, refused ? 'refused' : 'ended', job.id)
        stopped += preemptions
      }
    }),
    { seed: 5, numRuns: 150 },
  )
  assert.ok(together > 300 && stopped > 5, `${together} moments together, ${stopped} stopped`)
})
