import assert from 'node:assert/strict'
import { test } from 'node:test'

import { whyPlaced } from '#engine/explain/placed.ts'
import type { Node } from '#model/site.ts'
import { aJob, aLease, aNode, aNow, aProject, aSite, aSnapshot } from '#test/builders.ts'

import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

const hour = 3_600_000

/** A leader that needs more memory than a node with accelerators has, and two workers that need accelerators. */
const roles = [
  { name: 'lead', resources: { cpus: '4+', memory: '2TB+' } },
  { name: 'work', nodes: 2, resources: { accelerators: 'H100:8' } },
]

const nodes: Node[] = [
  aNode({ name: 'm0', shape: 'mem', cpus: 64, memoryGB: 4096, path: ['a'] }),
  ...['g0', 'g1', 'g2'].map((name) => aNode({ name, gpus: 8, path: [name === 'g0' ? 'a' : 'b'] })),
]
const offers = [
  { shape: 'mem', cpus: 64, memoryGB: 4096, price: 4, divisible: false },
  { gpus: 8, price: 20, divisible: false },
]
const site = (more: Partial<Parameters<typeof aSite>[0]> = {}) => {
  const found = aSite({ nodes, offers, ...more })
  return { ...found, info: { ...found.info, mixesShapes: true as const } }
}

/** What is decided of those who wait, by name; the checker has nothing against it. */
function decide(snapshot: Parameters<typeof aSnapshot>[0]) {
  const input = { snapshot: aSnapshot(snapshot), now: aNow }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  return decisions
}

const near = (nodesOf: number, within: 'nvlink' | 'site') =>
  aJob({ roles: [roles[0] ?? { name: 'lead' }, { ...roles[1], name: 'work', nodes: nodesOf }], topology: { within } })

const projects = (most: number) => [aProject({ quota: { nodes: most } })]

test('roles that no offer of a site suits together stand on nodes of two offers, each at its own price', () => {
  const [decision] = decide({ waiting: [aJob({ roles })], sites: [site()] })
  assert.ok(decision)
  const { placement } = decision
  assert.deepEqual(
    placement?.ranks.map(({ node, shape, accelerators }) => ({ node, shape, accelerators })),
    [
      { node: 'm0', shape: 'mem', accelerators: 0 },
      { node: 'g1', shape: undefined, accelerators: 8 },
      { node: 'g2', shape: undefined, accelerators: 8 },
    ],
  )
  assert.equal(placement?.shape, '8xh100')
  assert.equal(placement?.priceMicros, 44_000_000)
  assert.equal(placement?.run?.costMicros, 44_000_000)
  assert.match(whyPlaced(decision), /^local\/west \(on-demand, mem \+ 8xh100\) takes 3 nodes for \$44\.00\/h: /)
})

test('where one offer suits all roles they stand on it, however cheap the others are', () => {
  const light = [{ name: 'lead', resources: { cpus: '4+' } }, roles[1] ?? { name: 'work' }]
  const [decision] = decide({ waiting: [aJob({ roles: light })], sites: [site()] })
  assert.deepEqual(
    decision?.placement?.ranks.map(({ shape }) => shape),
    [undefined, undefined, undefined],
  )
  assert.equal(decision?.placement?.priceMicros, 60_000_000)
})

test('a site whose orders are for nodes of one shape is passed over, and that is told', () => {
  const alike = aSite({ nodes, offers })
  const [decision] = decide({ waiting: [aJob({ roles })], sites: [alike] })
  assert.equal(decision?.placement, null)
  assert.equal(decision?.refusal?.impossible, true)
  const detail =
    /a node has 1TB of memory, asked for 2TB of memory; other nodes there have it, and its orders are for nodes of one shape/
  assert.ok(
    decision?.rejections.some(
      ({ shape, rule, detail: text }) => shape === '8xh100' && rule === 'memory' && detail.test(text),
    ),
    JSON.stringify(decision?.rejections),
  )
})

test('who may not be at such a site at all is told that alone', () => {
  const job = aJob({ roles, placement: { sites: ['local/elsewhere'] } })
  const [decision] = decide({ waiting: [job], sites: [aSite({ nodes, offers })] })
  assert.ok(decision && decision.rejections.length > 0)
  for (const { detail } of decision.rejections) assert.doesNotMatch(detail, /orders are for nodes of one shape/)
})

const whole = { cpuMilli: 64_000, memoryMiB: 1_048_576, diskMiB: 1_048_576, accelerators: 8 }

test('of the ways to stand beside one offer that are all full one is told', () => {
  const larger = ['large', 'huge'].map((shape) => ({ shape, cpus: 96, memoryGB: 8192, price: 9, divisible: false }))
  const more = larger.map(({ shape, cpus, memoryGB }, at) => aNode({ name: `x${at}`, shape, cpus, memoryGB }))
  const ranks = ['g1', 'g2'].map((node, rank) => ({ ...whole, rank, node }))
  const leases = [aLease({ ranks, shape: '8xh100', name: 'other', endsAt: aNow + hour })]
  const sites = [site({ nodes: [...nodes, ...more], offers: [...offers, ...larger] })]
  const [decision] = decide({ waiting: [aJob({ roles })], sites, leases })
  assert.deepEqual(
    decision?.rejections.filter(({ shape }) => shape === '8xh100').map(({ rule }) => rule),
    ['capacity'],
  )
})

test('all nodes or none: it waits for the one that is taken, and is told who holds it', () => {
  const ranks = [{ rank: 0, node: 'm0', cpuMilli: 64_000, memoryMiB: 4_194_304, diskMiB: 1_048_576, accelerators: 0 }]
  const lease = aLease({ ranks, shape: 'mem', name: 'other', endsAt: aNow + hour })
  const [decision] = decide({ waiting: [aJob({ roles })], sites: [site()], leases: [lease] })
  assert.equal(decision?.placement, null)
  assert.equal(decision?.refusal?.best?.detail, 'needs 3 nodes with 8 H100 (2 of 8xh100, 1 of mem); 2 are free')
  assert.match(decision?.refusal?.frees ?? '', /^other, /)
  assert.equal(decision?.refusal?.start?.at, aNow + hour)
})

test('roles in one domain stand in it together, on the nodes of both offers', () => {
  const [one] = decide({ waiting: [near(1, 'nvlink')], sites: [site()] })
  assert.deepEqual(
    one?.placement?.ranks.map(({ node }) => node),
    ['m0', 'g0'],
  )
  const [two] = decide({ waiting: [near(2, 'nvlink')], sites: [site()] })
  assert.equal(two?.refusal?.cause, 'topology')
})

test('a price cap, a quota and a commitment are of the nodes of both offers', () => {
  const cap = (maxPrice: string) => [aJob({ roles, placement: { maxPrice } })]
  assert.equal(decide({ waiting: cap('$19/h'), sites: [site()] })[0]?.placement, null)
  assert.notEqual(decide({ waiting: cap('$20/h'), sites: [site()] })[0]?.placement, null)
  assert.equal(
    decide({ waiting: [aJob({ roles })], sites: [site()], projects: projects(2) })[0]?.refusal?.cause,
    'quota',
  )
  assert.notEqual(decide({ waiting: [aJob({ roles })], sites: [site()], projects: projects(3) })[0]?.placement, null)
  const [paid] = decide({
    waiting: [aJob({ roles })],
    sites: [site({ offers: offers.map((one) => ({ ...one, ...('gpus' in one && { commitment: { nodes: 1 } }) })) })],
  })
  assert.equal(paid?.placement?.priceMicros, 44_000_000)
  assert.equal(paid?.placement?.run?.costMicros, 24_000_000, 'one of the two workers is paid for anyway')
})

test('of two offers that suit a role the cheaper is taken, and the dearer where that is full', () => {
  const dear = { name: 'd0', shape: 'dear', cpus: 64, memoryGB: 4096 }
  const both = site({ nodes: [...nodes, aNode(dear)], offers: [...offers, { ...dear, price: 9, divisible: false }] })
  const first = aJob({ name: 'first', roles: [roles[0] ?? { name: 'lead' }, { ...roles[1], name: 'work', nodes: 1 }] })
  const second = { ...first, id: 'w-second', name: 'second', createdAt: first.createdAt + 1 }
  const found = decide({ waiting: [first, second], sites: [both] })
  assert.deepEqual(
    found.map(({ placement }) => placement?.ranks.map(({ shape }) => shape)),
    [
      ['mem', undefined],
      ['dear', undefined],
    ],
  )
  assert.deepEqual(
    found.map(({ placement }) => placement?.priceMicros),
    [24_000_000, 29_000_000],
  )
})

test('a gang of two offers that lost a node comes back to the others, and to another of that shape', () => {
  const spare = aNode({ name: 'm1', shape: 'mem', cpus: 64, memoryGB: 4096, path: ['b'] })
  const before = decide({ waiting: [aJob({ roles })], sites: [site()] })[0]?.placement
  assert.ok(before)
  const lease = aLease({
    workload: 'w-job',
    shape: before.shape,
    ranks: before.ranks,
    keptFor: { replica: 0, lost: [0], isGone: true },
  })
  const workload = aJob({ roles })
  const snapshot: Snapshot = aSnapshot({
    waiting: [workload],
    sites: [site({ nodes: [...nodes.slice(1), spare] })],
    leases: [lease],
  })
  const waiting = snapshot.waiting.map((asked) => ({
    ...asked,
    replica: { ...asked.replica, kept: { lease: lease.id, lost: [0] } },
  }))
  const input = { snapshot: { ...snapshot, waiting }, now: aNow }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  assert.deepEqual(decisions[0]?.repair, { kept: 2, replaced: [{ from: 'm0', to: 'm1' }] })
  assert.deepEqual(
    decisions[0]?.placement?.ranks.map(({ node, shape }) => [node, shape]),
    [
      ['m1', 'mem'],
      ['g1', undefined],
      ['g2', undefined],
    ],
  )
})

const divided = (all: boolean) => site({ offers: offers.map((one) => ({ ...one, divisible: all || 'gpus' in one })) })

test('a role that shares accelerators stands beside another whose nodes are shared, and beside none of whole nodes', () => {
  const sharing = [roles[0] ?? { name: 'lead' }, { name: 'work', nodes: 2, resources: { accelerators: 'H100:0.5' } }]
  const [apart] = decide({ waiting: [aJob({ roles: sharing })], sites: [divided(false)] })
  assert.equal(apart?.refusal?.impossible, true)
  const [beside] = decide({ waiting: [aJob({ roles: sharing })], sites: [divided(true)] })
  const held = beside?.placement?.ranks.map(({ shape, part }) => [shape, part?.shareMilli])
  assert.deepEqual(held, [
    ['mem', undefined],
    [undefined, 500],
    [undefined, 500],
  ])
})

const withImex = (divisible: boolean) => {
  const found = site({ offers: offers.map((one) => ({ ...one, divisible })), nodes: structuredClone(nodes) })
  for (const one of [...found.offers, ...(found.nodes ?? [])])
    if (one.shape.accelerators > 0) one.shape.network = ['imex']
  return found
}

test('workers with imex have whole nodes beside a leader, on one offer or on two; where nodes are divided that is refused', () => {
  const imex = { accelerators: 'H100:8', network: 'imex' as const }
  const gang = (memory: string) => [
    { name: 'lead', resources: { cpus: '4+', memory } },
    { name: 'work', nodes: 2, resources: imex },
  ]
  const shapes = (memory: string, divisible: boolean) =>
    decide({ waiting: [aJob({ roles: gang(memory) })], sites: [withImex(divisible)] }).map(
      ({ placement, refusal }) => placement?.ranks.map(({ shape = '8xh100' }) => shape) ?? refusal?.impossible,
    )
  assert.deepEqual(shapes('1GB+', false), [['8xh100', '8xh100', '8xh100']])
  assert.deepEqual(shapes('2TB+', false), [['mem', '8xh100', '8xh100']])
  assert.deepEqual(shapes('1GB+', true), [true])
  assert.deepEqual(shapes('2TB+', true), [true])
})
