import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { plainProject } from '#simulator/scenario/projects.ts'

const hour = 3_600_000
const fleet = aFleet({ count: 2, priceMicros: 8_000_000 })
const a = { project: 'a' }
const budget = (micros: number) => [plainProject('a', { budgetMicros: micros })]

test('what runs spends the budget of its project, and when it is used up nothing more of it starts', () => {
  const jobs = someJobs(
    [0, 4, 3 * hour, a], // $4 an hour
    [0, 8, hour, a], // $8, over by 1:00
    [hour, 8, hour, a], // at 1:00 $12 of $13 are spent
    [2 * hour, 1, hour, a], // and at 2:00 all of it
    [3 * hour, 1, hour], // of no budget
  )
  const { replay } = aReplay({ fleet, policy: 'isobar', projects: budget(13_000_000), jobs })
  while (replay.step());
  assert.deepEqual(
    replay.records.map(({ state, firstStartMs, refused }) => [state, firstStartMs, refused?.atMs ?? null]),
    [
      ['ended', 0, null],
      ['ended', 0, null],
      ['ended', hour, null],
      ['refused', -1, 2 * hour],
      ['ended', 3 * hour, null],
    ],
  )
  const report = reportRun(fleet, replay.outcome())
  assert.deepEqual(report.never, [
    {
      project: 'a',
      cause: 'budget',
      jobs: 1,
      first: 'j3',
      atMs: 2 * hour,
      text: 'The budget of project a, $13.00, is used up.',
    },
  ])
  // Three hours of half a node, and two of a whole one.
  assert.deepEqual(
    report.projects.map(({ project, spentMicros, budgetMicros }) => [project, spentMicros, budgetMicros]),
    [
      ['a', '28000000', 13_000_000],
      ['default', null, null],
    ],
  )
})

test('who waits when the budget is used up, or lost its nodes after that, is told then', () => {
  const jobs = someJobs([0, 16, 4 * hour, a], [0, 8, hour, a], [hour, 1, hour, { project: 'b' }])
  const { records } = ran({
    fleet,
    policy: 'isobar',
    projects: budget(10_000_000),
    jobs,
    scenario: { outages: [{ groups: [...fleet.groups], atMs: 2 * hour, forMs: hour, running: 'lost' }] },
  })
  assert.deepEqual(
    records.map(({ state, losses, refused }) => [state, losses, refused?.atMs ?? null, refused?.refusal.cause ?? null]),
    [
      ['refused', 1, 2 * hour, 'budget'],
      ['refused', 0, hour, 'budget'],
      ['ended', 0, null, null],
    ],
  )
})

test('who is stopped for others when its budget is used up does not come back', () => {
  const quota = { accelerators: 8 }
  const projects = (budgetMicros: number) => [
    plainProject('lab'),
    plainProject('a', { parent: 'lab', quota, budgetMicros }),
    plainProject('b', { parent: 'lab', quota, preemption: { within: 'never', reclaim: 'any', perHour: null } }),
  ]
  const jobs = someJobs([0, 16, 4 * hour, a], [hour, 8, hour, { project: 'b' }])
  const told = (micros: number) =>
    ran({ fleet, policy: 'isobar', projects: projects(micros), jobs }).records.map(
      ({ state, preemptions, refused }) => [state, preemptions, refused?.atMs ?? null],
    )
  assert.deepEqual(told(1_000_000_000), [
    ['ended', 1, null],
    ['ended', 0, null],
  ])
  assert.deepEqual(told(10_000_000), [
    ['refused', 1, hour],
    ['ended', 0, null],
  ])
})

test('a budget knows nothing of policies that know no rules of projects', () => {
  const { records } = ran({ fleet, policy: 'fifo', projects: budget(0), jobs: someJobs([0, 8, hour, a]) })
  assert.equal(records[0]?.state, 'ended')
})
