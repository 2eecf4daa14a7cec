import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Project } from '#model/project.ts'
import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import type { JobRecord } from '#simulator/replay/job-record.ts'
import { reportRun } from '#simulator/report/run-report.ts'
import { plainProject } from '#simulator/scenario/projects.ts'

const fleet = aFleet(
  { count: 2, domains: [2] },
  { count: 4, size: 4, site: 'aws/eu', provider: 'aws', jurisdictions: ['EU'], shape: 'x4' },
)

const runs = (jobs: Parameters<typeof someJobs>, projects: readonly Project[], policy = 'isobar') => {
  const { replay } = aReplay({ fleet, jobs: someJobs(...jobs), projects, policy })
  while (replay.step());
  return { records: replay.records, report: reportRun(fleet, replay.outcome()) }
}
const toldOf = ({ job, refused }: JobRecord) => [job.id, refused?.atMs ?? null, refused?.refusal.cause ?? null]

test('what can never start is told as it arrives, in the words of the engine, and does not wait', () => {
  const tree = [
    plainProject('lab', { quota: { accelerators: 12 } }),
    plainProject('a', { parent: 'lab', borrowing: { accelerators: 8 } }),
    plainProject('c', { policy: { jurisdictions: ['EU'], providers: ['local'] } }),
  ]
  const [a, c] = [{ project: 'a' }, { project: 'c' }]
  const { records, report } = runs(
    [
      [0, 8, 50, a],
      [1, 9, 10, a],
      [2, 12, 10, a],
      [3, 4, 10, c],
      [4, 33, 10],
    ],
    tree,
  )
  assert.deepEqual(records.map(toldOf), [
    ['j0', null, null],
    ['j1', 1, 'quota'],
    ['j2', 2, 'quota'],
    ['j3', 3, 'jurisdiction'],
    ['j4', 4, 'capacity'],
  ])
  const { figures, never, endMs } = report
  assert.deepEqual([figures.refused, figures.waiting, figures.ended, endMs], [4, 0, 1, 50])
  assert.deepEqual(
    never.map(({ project, cause, jobs, first, atMs }) => [project, cause, jobs, first, atMs]),
    [
      ['a', 'quota', 2, 'j1', 1],
      ['c', 'jurisdiction', 1, 'j3', 3],
      ['default', 'capacity', 1, 'j4', 4],
    ],
  )
  assert.match(never[0]?.text ?? '', /needs 9 accelerators; what a may borrow leaves 8 to project a/)
  assert.match(never[1]?.text ?? '', /Closest is local\/here .*: it is .*; project c allows only EU/)
  assert.match(never[2]?.text ?? '', /needs \d+ nodes with .* accelerator; there are \d when all is free/)
})

test('a domain that is too small for a gang is told as the topology that it lacks', () => {
  const { records } = runs([[0, 24, 10, { within: 1, ranks: 3 }]], [])
  assert.deepEqual(records.map(toldOf), [['j0', 0, 'topology']])
  assert.match(
    records[0]?.refused?.refusal.text ?? '',
    /needs 3 nodes with 8 accelerators in one nvlink; the largest holds 2/,
  )
})

test('what costs more than a project pays waits for a price that comes, and is told at once where none does', () => {
  const dear = aFleet({ count: 1, priceMicros: 55_000_000 })
  const projects = [plainProject('a', { policy: { maxPriceMicros: 40_000_000 } })]
  const of = (...prices: [atMs: number, micros: number][]) => {
    const steps = prices.map(([atMs, priceMicros]) => ({ groups: [...dear.groups], atMs, priceMicros }))
    const jobs = someJobs([0, 8, 10, { project: 'a' }], [0, 4, 10, { project: 'a' }], [200, 8, 10, { project: 'a' }])
    const given = { fleet: dear, policy: 'isobar', projects, jobs, scenario: { prices: steps } }
    return ran(given).records
  }
  // Half a node costs half of it.
  assert.deepEqual(of().map(toldOf), [
    ['j0', 0, 'price'],
    ['j1', null, null],
    ['j2', 200, 'price'],
  ])
  const later = of([100, 30_000_000], [150, 55_000_000])
  assert.deepEqual(
    later.map(({ firstStartMs }) => firstStartMs),
    [100, 0, -1],
  )
  assert.deepEqual(later.map(toldOf).at(-1), ['j2', 200, 'price'])
  assert.match(later[2]?.refused?.refusal.text ?? '', /costs \$55\.00\/h a node, above the \$40\.00\/h of project a/)
})

test('who waits for a price and then for nodes is told when the price has gone for good', () => {
  const dear = aFleet({ count: 1, priceMicros: 55 })
  const projects = [plainProject('a', { policy: { maxPriceMicros: 40 } })]
  const prices = [
    { groups: [...dear.groups], atMs: 100, priceMicros: 30 },
    { groups: [...dear.groups], atMs: 150, priceMicros: 55 },
  ]
  const jobs = someJobs([0, 8, 200], [10, 8, 10, { project: 'a' }])
  const { records } = ran({ fleet: dear, policy: 'isobar', projects, jobs, scenario: { prices } })
  assert.deepEqual(records.map(toldOf), [
    ['j0', null, null],
    ['j1', 150, 'price'],
  ])
})

test('policies that know no rules of projects refuse for want of nodes alone', () => {
  const tree = [plainProject('a', { quota: { accelerators: 4 } })]
  const { records } = runs(
    [
      [0, 8, 10, { project: 'a' }],
      [0, 33, 10],
    ],
    tree,
    'fifo',
  )
  assert.deepEqual(records.map(toldOf), [
    ['j0', null, null],
    ['j1', 0, 'capacity'],
  ])
})

test('who is not refused as it arrives starts at once where nobody else is', () => {
  const quota = fc.record({ accelerators: fc.nat(20), nodes: fc.nat(4) }, { requiredKeys: [] })
  const project = (name: string, parent: string | null) =>
    fc.record({ quota, borrowing: quota, lending: quota }).map((limits) => plainProject(name, { parent, ...limits }))
  const job = fc.record({ amount: fc.integer({ min: 1, max: 40 }), within: fc.nat(2), even: fc.boolean() })
  let refusals = 0
  fc.assert(
    fc.property(fc.tuple(project('lab', null), project('a', 'lab'), project('b', 'lab')), job, (projects, one) => {
      const { amount: asked, within, even } = one
      const ranks = even && asked % 4 === 0 ? asked / 4 : 0
      const { records } = runs([[5, asked, 10, { project: 'a', within, ranks }]], projects)
      const [record] = records
      refusals += Number(record?.state === 'refused')
      assert.equal(record?.firstStartMs, record?.state === 'refused' ? -1 : 5)
    }),
    { seed: 4, numRuns: 300 },
  )
  assert.ok(refusals > 50 && refusals < 250, String(refusals))
})
