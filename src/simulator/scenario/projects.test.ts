import assert from 'node:assert/strict'
import { test } from 'node:test'

import { aFleet, aReplay, someJobs } from '#simulator/builders.ts'
import { inputOf } from '#simulator/traces/input.ts'

import { plainProject, readTerms, termsOf } from './projects.ts'

const read = (...lines: string[]) => readTerms(inputOf('projects.yaml', lines.join('\n')))

test('projects are read as they are made, in trees, and others are without limits', () => {
  const said = read('name: ml', 'quota: { accelerators: 8 }', '---', 'name: a', 'parent: ml', 'weight: 3')
  assert.deepEqual(
    termsOf(['a', 'b'], said).map(({ name, parent, weight, quota }) => [name, parent, weight, quota]),
    [
      ['a', 'ml', 3, {}],
      ['b', null, 1, {}],
      ['ml', null, 1, { accelerators: 8 }],
    ],
  )
})

test('what is wrong with projects is told with its place', () => {
  assert.throws(() => read('name: a', 'wieght: 3'), /projects\.yaml:2:1: wieght: .*[^]*fix: did you mean weight\?/)
  assert.throws(() => read('name: a', 'parent: b'), /projects\.yaml:2:9: a: there is no project b[^]*fix: add it/)
  assert.throws(
    () => read('name: a', 'parent: b', '---', 'name: b', 'parent: a'),
    /projects\.yaml:2:1: a is part of b is part of a/,
  )
})

const tree = [
  plainProject('ml', { quota: { accelerators: 16 } }),
  plainProject('a', { parent: 'ml', borrowing: { accelerators: 8 } }),
  plainProject('b', { parent: 'ml' }),
]
const [a, b] = [{ project: 'a' }, { project: 'b' }]

test('isobar keeps to quotas, borrowing and weights, and lets nobody stand where its policy forbids', () => {
  const fleet = aFleet({ count: 3 }, { count: 1, site: 'aws/eu', provider: 'aws', jurisdictions: ['EU'] })
  const begins = (jobs: Parameters<typeof someJobs>, projects: typeof tree) => {
    const { replay } = aReplay({ fleet, jobs: someJobs(...jobs), policy: 'isobar', projects })
    while (replay.step());
    return replay.records.map(({ firstStartMs }) => firstStartMs)
  }
  // a may borrow one node of the two that ml has, and b the other; a third waits for both.
  assert.deepEqual(
    begins(
      [
        [0, 8, 10, a],
        [1, 8, 10, a],
        [2, 8, 10, b],
        [3, 8, 5, b],
      ],
      tree,
    ),
    [0, 10, 2, 12],
  )
  const abroad = plainProject('a', { policy: { jurisdictions: ['EU'] } })
  assert.deepEqual(
    begins(
      [
        [0, 8, 10, a],
        [0, 8, 10, a],
        [0, 8, 10, b],
      ],
      [abroad],
    ),
    [0, 10, 0],
  )
})

const ofPriority = (priority: number) => ({ project: 'a', priority })

test('isobar has others leave as soon as an hour allows it again, though nothing else happens then', () => {
  const hour = 3_600_000
  const jobs = someJobs(
    [0, 8, 50 * hour, ofPriority(0)],
    [0, 8, 50 * hour, ofPriority(0)],
    [1000, 8, 40 * hour, ofPriority(1)],
    [2000, 8, 40 * hour, ofPriority(1)],
  )
  const preemption = { within: 'lower-priority', reclaim: 'never', perHour: 1 } as const
  const fleet = aFleet({ count: 2 })
  const { replay } = aReplay({ fleet, jobs, policy: 'isobar', projects: [plainProject('a', { preemption })] })
  while (replay.step());
  assert.deepEqual(
    replay.records.map(({ firstStartMs }) => firstStartMs),
    [0, 0, 1000, hour + 1000],
  )
})

test('a quota of racks holds, in parts of the racks of each site, and what it can never hold is told', () => {
  const racks = aFleet(
    { count: 8, domains: [4] },
    { count: 4, site: 'aws/us', provider: 'aws', domains: [2], priceMicros: 1 },
  )
  const projects = read('name: a', 'quota: { domains: { nvlink: 2 } }')
  const jobs = someJobs([0, 48, 10, a], [1, 16, 10, a], [2, 8, 10, a], [3, 32, 10, b], [4, 72, 10, a], [5, 48, 10, a])
  const { replay } = aReplay({ fleet: racks, jobs, policy: 'isobar', projects })
  while (replay.step());
  const told = replay.records.map(({ firstStartMs, refused }) => [firstStartMs, refused?.refusal.cause ?? null])
  assert.deepEqual(told, [
    [0, null], // six nodes are one rack and a half
    [1, null], // and two the other half
    [10, null],
    [3, null], // of others
    [-1, 'quota'],
    [11, null], // six more, beside the one of j2, when both halves are free
  ])
  const text = replay.records[4]?.refused?.refusal.text ?? ''
  assert.match(text, /needs 2\.25 NVLink domains; project a may hold 2 and holds 0/)
})
