import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import type { Part } from '#simulator/traces/job.ts'

const hour = 3_600_000
const pair = aFleet({ size: 2, priceMicros: 2_000_000 })
const cuttable = aFleet({ size: 2, accelerator: 'H100', acceleratorMemoryMiB: 80 * 1024, mig: true })
const of = (part: Part | number, arrivalMs = 0): [at: number, amount: number, lasts: number, more: object] => [
  arrivalMs,
  1,
  hour,
  { project: 'a', part: typeof part === 'number' ? { shareMilli: part } : part },
]
const begins = (...[fleet, jobs, policy = 'isobar']: [typeof pair, ReturnType<typeof of>[], string?]) =>
  ran({ fleet, policy, jobs: someJobs(...jobs) }).records.map(({ firstStartMs }) => firstStartMs)

test('parts of an accelerator stand beside others on it, and never on two; other policies give whole ones', () => {
  const halves = [of(500), of(500), of(500), of(500), of(250)]
  assert.deepEqual(begins(pair, halves), [0, 0, 0, 0, hour])
  assert.deepEqual(begins(pair, halves, 'fifo'), [0, 0, hour, hour, 2 * hour])
  // Eight tenths are left in all, of two accelerators; who is gone before the other can start goes ahead.
  const brief: ReturnType<typeof of> = [2, 1, 10, { part: { shareMilli: 400 } }]
  assert.deepEqual(begins(pair, [of(600), of(600), of(700, 1), brief]), [0, 0, hour, 2])
})

test('an accelerator that is shared is no whole one until the last has left it', () => {
  assert.deepEqual(begins(pair, [of(100), [1, 2, hour, {}], [2, 1, 10, {}]]), [0, hour, 2])
})

test('slices of MIG take what they take of an accelerator, and fractions go to another one', () => {
  const slice = (profile: string) => of({ profile })
  const seven = Array.from({ length: 7 }, () => slice('1g.10gb'))
  assert.deepEqual(begins(cuttable, [...seven, of(900), slice('1g.10gb')]), [...seven.map(() => 0), 0, hour])
  assert.deepEqual(begins(cuttable, [slice('4g.40gb'), slice('4g.40gb'), slice('3g.40gb'), slice('4g.40gb')]), [
    0,
    0,
    0,
    hour,
  ])
})

test('a slice that no accelerator can be cut into is told at once', () => {
  const jobs = someJobs(of({ profile: '1g.12gb' }), of({ profile: '1g.10gb' }))
  const told = ran({ fleet: cuttable, policy: 'isobar', jobs }).records
  assert.deepEqual(
    told.map(({ refused }) => refused?.refusal.cause),
    ['accelerator', undefined],
  )
  assert.match(told[0]?.refused?.refusal.text ?? '', /^No site can give a slice 1g\.12gb of one accelerator\./)
})

test('parts count as parts in use, quotas, budgets and hours', () => {
  const projects = [plainProject('a', { quota: { accelerators: 1 }, budgetMicros: 10_000_000 })]
  const jobs = someJobs(of(500), of(300), of(300))
  const { replay } = aReplay({ fleet: pair, policy: 'isobar', projects, jobs })
  while (replay.step());
  assert.deepEqual(
    replay.records.map(({ firstStartMs }) => firstStartMs),
    [0, 0, hour],
  )
  const { figures, projects: told } = reportRun(pair, replay.outcome())
  // 1.1 hours of one accelerator in two hours of two; what is left of the one that is shared is lost for whole ones.
  assert.deepEqual([figures.utilisation, figures.fragmentation], [0.275, 0.725])
  assert.deepEqual(
    told.map(({ hours, spentMicros }) => [hours, spentMicros]),
    [[1.1, '1100000']],
  )
})
