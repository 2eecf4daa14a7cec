import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Decision } from '#model/plan.ts'
import type { AcceleratorPart } from '#model/resources.ts'
import { aJob, anArray, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

/** Decides, and lets the checker judge it. */
function decide(snapshot: Snapshot): Decision[] {
  const input = { snapshot, now: aNow }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  return decisions
}

const jobs = (count: number, accelerators: string, more: object = {}) =>
  Array.from({ length: count }, (_, i) =>
    aJob(
      { name: `j${i}`, resources: { accelerators, cpus: 1, memory: '1GB' }, ...more },
      { createdAt: aNow - 100 + i },
    ),
  )

/** One site of nodes with two H100 each. */
const site = (nodes: number, more: { mig?: boolean } = {}) => aSite({ nodes: someNodes(nodes, { gpus: 2, ...more }) })

/** Where each part is: `n0/1` is accelerator 1 of node n0. */
const places = (decisions: Decision[]): (string | null)[] =>
  decisions.flatMap(({ placement }) =>
    placement ? placement.ranks.map(({ node, part }) => (part ? `${node}/${part.device}` : `${node}`)) : [null],
  )

/** A lease of a part, on node n0. */
const aPart = (part: AcceleratorPart, fields: Parameters<typeof aLease>[0] = {}) =>
  aLease({
    ranks: [{ rank: 0, node: 'n0', cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 0, part }],
    ...fields,
  })

test('two halves share one accelerator, and pay for half of the node each', () => {
  const decisions = decide(
    aSnapshot({ waiting: jobs(2, 'H100:0.5'), sites: [aSite({ nodes: someNodes(1, { gpus: 1 }) })] }),
  )
  assert.deepEqual(places(decisions), ['n0/0', 'n0/0'])
  assert.deepEqual(
    decisions.map(({ placement }) => placement?.priceMicros),
    [500_000, 500_000],
  )
  assert.deepEqual(decisions[0]?.placement?.ranks[0]?.part, { device: 0, shareMilli: 500 })
  assert.equal(decisions[0]?.placement?.ranks[0]?.accelerators, 0)
})

test('who leaves CPUs and memory open gets as much of them as of the accelerators', () => {
  const half = aJob({ resources: { accelerators: 'H100:0.5' } })
  const [decision] = decide(aSnapshot({ waiting: [half], sites: [site(1)] }))
  assert.deepEqual(
    decision?.placement?.ranks.map(({ cpuMilli, memoryMiB }) => [cpuMilli, memoryMiB]),
    [[6000, 64 * 1024]],
  )
})

test('what is shared already is known from the leases, and no accelerator is shared beyond all of it', () => {
  const leases = [aPart({ device: 1, shareMilli: 600 })]
  const waiting = [
    ...jobs(1, 'H100:0.4'),
    ...jobs(1, 'H100:0.6', { name: 'more' }),
    ...jobs(1, 'H100:1', { name: 'one' }),
  ]
  assert.deepEqual(places(decide(aSnapshot({ waiting, sites: [site(1)], leases }))), ['n0/1', 'n0/0', null])
})

test('nobody has an accelerator whole that is shared', () => {
  const leases = [aPart({ device: 0, shareMilli: 100 }), aPart({ device: 1, shareMilli: 100 }, { id: 'l-1' })]
  const [decision] = decide(aSnapshot({ waiting: jobs(1, 'H100:1'), sites: [site(1)], leases }))
  assert.equal(decision?.refusal?.cause, 'capacity')
  assert.equal(decision?.refusal?.impossible ?? false, false)
})

test('leases that hold the same beside each other are each counted', () => {
  const leases = [aPart({ device: 0, shareMilli: 300 }, { times: 3 })]
  const waiting = [...jobs(1, 'H100:0.3'), ...jobs(1, 'H100:0.1', { name: 'small' })]
  const [large, small] = places(decide(aSnapshot({ waiting, sites: [site(1)], leases })))
  assert.deepEqual([large, small], ['n0/1', 'n0/0'])
})

test('slices fill one accelerator before the next is cut', () => {
  const decisions = decide(aSnapshot({ waiting: jobs(8, 'H100/1g.10gb'), sites: [site(2, { mig: true })] }))
  assert.deepEqual(places(decisions), [...Array.from({ length: 7 }, () => 'n0/0'), 'n0/1'])
  const starts = decisions.slice(0, 7).map(({ placement }) => placement?.ranks[0]?.part?.start)
  assert.deepEqual(starts.toSorted(), [0, 1, 2, 3, 4, 5, 6])
})

test('a slice knows which slices of its accelerator are taken', () => {
  const leases = [aPart({ device: 0, shareMilli: 500, profile: '3g.40gb', start: 4 })]
  const sites = [aSite({ nodes: someNodes(1, { gpus: 1, mig: true }) })]
  const waiting = [...jobs(1, 'H100/4g.40gb'), ...jobs(1, 'H100/1g.10gb', { name: 'small' })]
  const [four, small] = decide(aSnapshot({ waiting, sites, leases }))
  assert.equal(four?.placement?.ranks[0]?.part?.start, 0)
  assert.equal(small?.refusal?.cause, 'capacity')
})

const gang = (nodes: number) => jobs(1, 'H100:0.5', { nodes })

test('a gang of parts is placed whole, or not at all', () => {
  const [three] = decide(aSnapshot({ waiting: gang(4), sites: [site(1)] }))
  assert.equal(three?.placement?.ranks.length, 4)
  const [five] = decide(aSnapshot({ waiting: gang(5), sites: [site(1)] }))
  assert.match(five?.refusal?.text ?? '', /5 nodes with 0.5 of one H100/)
})

test('a quota of accelerators counts their parts', () => {
  const projects = [aProject({ quota: { accelerators: 1 } })]
  const decisions = decide(aSnapshot({ waiting: jobs(3, 'H100:0.5'), sites: [site(4)], projects }))
  assert.deepEqual(
    decisions.map(({ refusal }) => refusal?.cause ?? null),
    [null, null, 'quota'],
  )
  assert.match(
    decisions[2]?.refusal?.best?.detail ?? '',
    /needs 0.5 accelerators; project default may hold 1 and holds 1/,
  )
})

test('each task of an array with a part has a worker to itself, and stands where there is room for it', () => {
  const array = anArray({ tasks: 9, parallelism: 5, resources: { accelerators: 'H100:0.5', cpus: 1, memory: '1GB' } })
  const leases = [aPart({ device: 1, shareMilli: 400 })]
  const decisions = decide(aSnapshot({ waiting: [array], sites: [site(1)], leases }))
  assert.deepEqual(places(decisions).slice(0, 3).toSorted(), ['n0/0', 'n0/0', 'n0/1'])
  assert.deepEqual(places(decisions).slice(3), [null, null])
  const cut = anArray({ tasks: 8, resources: { accelerators: 'H100/3g.40gb' } })
  const slices = places(decide(aSnapshot({ waiting: [cut], sites: [site(2, { mig: true })] })))
  assert.deepEqual(slices.toSorted(), ['n0/0', 'n0/0', 'n0/1', 'n0/1', 'n1/0', 'n1/0', 'n1/1', 'n1/1'])
})

const refusalAt = (accelerators: string, at: Snapshot['sites'][number]): string =>
  decide(aSnapshot({ waiting: jobs(1, accelerators), sites: [at] }))[0]?.refusal?.text ?? 'placed'

test('where no part can be had, it says why', () => {
  const whole = aSite({ offers: [{ gpus: 2, divisible: false }], nodes: someNodes(1, { gpus: 2 }) })
  assert.match(refusalAt('H100:0.5', whole), /its nodes are had whole, asked for 0.5 of one H100/)
  assert.match(refusalAt('H100:0.5', aSite({ offers: [{ gpus: 2 }] })), /it does not tell its nodes/)
  assert.match(
    refusalAt('H100/1g.10gb', site(1)),
    /its H100 cannot be had in such slices, asked for a slice 1g.10gb of one H100/,
  )
  assert.match(refusalAt('H100/1g.5gb', site(1, { mig: true })), /cannot be had in such slices/)
  assert.match(refusalAt('H200:0.5', site(1)), /a node has 2 H100/)
})

const wishes = [
  'H100:0.5',
  'H100:0.3',
  'H100:0.9',
  'H100/1g.10gb',
  'H100/2g.20gb',
  'H100/3g.40gb',
  'H100/1g.10gb+me',
  'H100:1',
]
const rounds = fc.array(
  fc.record({
    come: fc.array(
      fc.record({
        accelerators: fc.constantFrom(...wishes),
        nodes: fc.integer({ min: 1, max: 3 }),
        isArray: fc.boolean(),
      }),
      {
        maxLength: 5,
      },
    ),
    end: fc.array(fc.nat(), { maxLength: 3 }),
  }),
  { maxLength: 6 },
)

test('round after round, what was given before is known, and nothing is given twice', () => {
  fc.assert(
    fc.property(rounds, fc.integer({ min: 1, max: 3 }), (all, nodes) => {
      const sites = [site(nodes, { mig: true })]
      let leases: Snapshot['leases'] = []
      for (const [round, { come, end }] of all.entries()) {
        for (const number of end) leases = leases.filter((_, i) => i !== number % leases.length)
        const waiting = come.map(({ accelerators, nodes: count, isArray }, i) => {
          const name = `r${round}-${i}`
          if (!isArray) return jobs(1, accelerators, { name, nodes: count })
          return [anArray({ name, tasks: count, resources: { accelerators, cpus: 1, memory: '1GB' } })]
        })
        const decisions = decide(aSnapshot({ waiting: waiting.flat(), sites, leases }))
        for (const { workload, replica, placement } of decisions)
          if (placement) leases.push(aLease({ ...placement, id: `l-${workload}-${replica}`, workload }))
      }
    }),
    { numRuns: 200 },
  )
})
