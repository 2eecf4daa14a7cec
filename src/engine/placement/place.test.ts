import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  aJob,
  aLease,
  allWaiting,
  aNow,
  anArray,
  aProject,
  aReplica,
  aService,
  aSite,
  aSnapshot,
  someNodes,
} from '#test/builders.ts'
import type { Decision } from '#model/plan.ts'
import type { QueueSnapshot } from '#store/store.ts'
import { check } from './check.ts'
import { place, type PlaceInput } from './place.ts'

type Facts = Parameters<typeof aSnapshot>[0]

/** Places, and holds the answer against the checker. */
function placed(facts: Facts, more: Partial<PlaceInput> = {}): Decision[] {
  const input = { snapshot: aSnapshot(facts), now: aNow, ...more }
  const decisions = place(input)
  assert.deepEqual(check(input, decisions), [])
  return decisions
}

const sitesOf = (decisions: Decision[]) => decisions.map(({ placement }) => placement?.site ?? null)
const namesOf = (decisions: Decision[]) => decisions.filter((each) => each.placement).map((each) => each.workload)

test('a gang of slices is packed onto the fewest nodes', () => {
  const west = aSite({ nodes: someNodes(3, { cpus: 4 }) })
  const [decision] = placed({ waiting: [aJob({ nodes: 4, resources: { cpus: 2 } })], sites: [west] })
  assert.deepEqual(
    decision?.placement?.ranks.map(({ node }) => node),
    ['n0', 'n0', 'n1', 'n1'],
  )
})

test('a gang that does not fit whole is not placed at all', () => {
  const west = aSite({ nodes: someNodes(3, { cpus: 4 }) })
  const [decision] = placed({ waiting: [aJob({ nodes: 4, resources: { cpus: 3 } })], sites: [west] })
  assert.equal(decision?.placement, null)
  assert.equal(decision.refusal?.cause, 'capacity')
})

test('a small gang goes to the smallest domain that holds it, so that large ones stay whole', () => {
  const nodes = someNodes(6, { gpus: 8 }).map((node, i) => ({ ...node, path: [i < 4 ? 'large' : 'small', 'block'] }))
  const job = aJob({ nodes: 2, resources: { accelerators: 'H100:8' } })
  const [decision] = placed({ waiting: [job], sites: [aSite({ nodes })] })
  assert.deepEqual(
    decision?.placement?.ranks.map(({ node }) => node),
    ['n4', 'n5'],
  )
})

test('the cheapest of the offers that would do is taken, and the others are named with their prices', () => {
  const sites = [
    aSite({ name: 'dear', offers: [{ price: 3 }] }),
    aSite({ name: 'cheap', offers: [{ price: 1 }] }),
    aSite({ name: 'middle', offers: [{ price: 2 }] }),
  ]
  const [decision] = placed({ waiting: [aJob({ resources: { cpus: '16' } })], sites })
  assert.equal(decision?.placement?.site, 'cheap')
  assert.deepEqual(
    decision.alternatives.map(({ site, priceMicros }) => [site, priceMicros]),
    [
      ['local/middle', 2_000_000],
      ['local/dear', 3_000_000],
    ],
  )
})

test('at equal prices the tier that is paid for anyway goes first', () => {
  const west = aSite({ offers: [{ tier: 'on-demand' }, { tier: 'committed' }, { tier: 'spot' }] })
  const [decision] = placed({ waiting: [aJob()], sites: [west] })
  assert.equal(decision?.placement?.tier, 'committed')
})

test('accelerators in a list are taken in their order, those of "any" by price', () => {
  const sites = [
    aSite({ name: 'a', offers: [{ gpus: 8, gpu: 'H100', price: 20 }] }),
    aSite({ name: 'b', offers: [{ gpus: 8, gpu: 'H200', price: 30 }] }),
  ]
  const ordered = aJob({ name: 'ordered', resources: { accelerators: ['h200:8', 'h100:8'] } })
  const any = aJob({ name: 'any', resources: { accelerators: { any: ['h200:8', 'h100:8'] } } })
  assert.deepEqual(sitesOf(placed({ waiting: [any, ordered], sites })), ['a', 'b'])
})

test('a slice pays its dominant share, and what the spec leaves open comes with it', () => {
  const west = aSite({ nodes: someNodes(1, { gpus: 8 }), offers: [{ gpus: 8, price: 10 }] })
  const [decision] = placed({ waiting: [aJob({ resources: { accelerators: 'H100:2', cpus: 3 } })], sites: [west] })
  assert.equal(decision?.placement?.priceMicros, 2_500_000)
  assert.deepEqual(decision.placement.ranks, [
    { rank: 0, node: 'n0', cpuMilli: 3000, memoryMiB: 256 * 1024, diskMiB: 0, accelerators: 2 },
  ])
})

test('a node that cannot be divided is taken and paid whole', () => {
  const offer = { gpus: 8, price: 10, divisible: false }
  const west = aSite({ nodes: someNodes(2, { gpus: 8 }), offers: [offer] })
  const jobs = ['a', 'b', 'c'].map((name) => aJob({ name, resources: { accelerators: 'H100:2' } }))
  const decisions = placed({ waiting: jobs, sites: [west] })
  assert.deepEqual(
    decisions.map(({ placement }) => placement?.priceMicros),
    [10_000_000, 10_000_000, undefined],
  )
})

test('a worker of an array gets room for all tasks that it runs side by side', () => {
  const west = aSite({ nodes: someNodes(2, { cpus: 8 }) })
  const array = anArray({ tasks: 100, parallelism: 12, resources: { cpus: 1 } })
  const decisions = placed({ waiting: [array], sites: [west] })
  assert.deepEqual(
    decisions.map(({ placement }) => placement?.ranks[0]?.cpuMilli),
    [8000, 4000],
  )
})

test('replicas are spread over sites although one of them is cheaper', () => {
  const sites = ['a', 'b', 'c'].map((name, i) => aSite({ name, offers: [{ price: 1 + i }] }))
  const service = aService({ replicas: 4, placement: { spread: 'site' } })
  assert.deepEqual(sitesOf(placed({ waiting: [service], sites })), ['a', 'b', 'c', 'a'])
  const lease = aLease({ workload: service.id, site: 'a' })
  assert.deepEqual(sitesOf(placed({ waiting: [service], sites, leases: [lease] })), ['b', 'c', 'a', 'b'])
})

test('replicas spread over providers go to the one with the fewest of them', () => {
  const sites = [
    aSite({ name: 'a', offers: [{ price: 1 }] }),
    aSite({ name: 'b', offers: [{ price: 1 }] }),
    aSite({ provider: 'simulated', name: 'c', offers: [{ price: 9 }] }),
  ]
  const service = aService({ replicas: 4, placement: { spread: 'provider' } })
  assert.deepEqual(sitesOf(placed({ waiting: [service], sites })), ['a', 'c', 'b', 'c'])
})

test('higher priority goes first, then who came first', () => {
  const sites = [aSite({ offers: [{ available: 2 }] })]
  const waiting = [
    aJob({ name: 'late' }, { createdAt: aNow - 7 }),
    aJob({ name: 'early' }, { createdAt: aNow - 9 }),
    aJob({ name: 'urgent', priority: 5 }, { createdAt: aNow - 1 }),
  ]
  assert.deepEqual(namesOf(placed({ waiting, sites })), ['w-urgent', 'w-early'])
})

test('a later small job does not take what an earlier gang of its project waits for, but what that cannot use', () => {
  const gpus = aSite({ name: 'gpus', nodes: someNodes(2, { gpus: 8 }) })
  const cpus = aSite({ name: 'cpus', nodes: someNodes(1) })
  const gang = aJob({ name: 'gang', nodes: 2, resources: { accelerators: 'H100:8' } }, { createdAt: aNow - 4 })
  const small = aJob({ name: 'small', resources: { accelerators: 'H100:1' } }, { createdAt: aNow - 3 })
  const light = aJob({ name: 'light', resources: { cpus: 1 } }, { createdAt: aNow - 2 })
  const other = aJob(
    { name: 'other', project: 'other', resources: { accelerators: 'H100:1' } },
    { createdAt: aNow - 1 },
  )
  const ranks = [{ rank: 0, node: 'n1', cpuMilli: 1, memoryMiB: 1, diskMiB: 1, accelerators: 1 }]
  const decisions = placed({
    waiting: [gang, small, light, other],
    sites: [gpus, cpus],
    leases: [aLease({ site: 'gpus', ranks })],
  })
  assert.deepEqual(namesOf(decisions), ['w-light', 'w-other'])
  assert.match(decisions[1]?.refusal?.text ?? '', /gang came first and waits for it/)
})

test('a gang that nothing could ever hold keeps nobody waiting', () => {
  const west = aSite({ nodes: someNodes(1, { gpus: 8 }) })
  const gang = aJob({ name: 'gang', nodes: 2, resources: { accelerators: 'H100:8' } }, { createdAt: 1 })
  const small = aJob({ name: 'small', resources: { accelerators: 'H100:1' } }, { createdAt: 2 })
  const decisions = placed({ waiting: [gang, small], sites: [west] })
  assert.deepEqual(namesOf(decisions), ['w-small'])
  assert.equal(decisions[0]?.refusal?.impossible, true)
})

test('a workload does not wait for itself: a smaller worker takes what its larger sister cannot use', () => {
  const west = aSite({ nodes: someNodes(1, { cpus: 8 }) })
  const ranks = [{ rank: 0, node: 'n0', cpuMilli: 2000, memoryMiB: 1, diskMiB: 1, accelerators: 0 }]
  const array = anArray({ tasks: 12, parallelism: 12, resources: { cpus: 1 } })
  const decisions = placed({ waiting: [array], sites: [west], leases: [aLease({ ranks })] })
  assert.deepEqual(
    decisions.map(({ placement }) => placement?.ranks[0]?.cpuMilli ?? null),
    [null, 4000],
  )
})

test('what is held, or backs off, is not decided on', () => {
  const job = aJob()
  const later = { workload: job, replica: aReplica(job, { notBefore: aNow + 1 }) }
  assert.deepEqual(placed({ waiting: [aJob({}, { wants: 'hold' }), later], sites: [aSite({ offers: [{}] })] }), [])
})

test('the quota of a project holds over its leases and what is placed beside them', () => {
  const sites = [aSite({ nodes: someNodes(2, { gpus: 8 }) })]
  const jobs = ['a', 'b', 'c'].map((name) => aJob({ name, resources: { accelerators: 'H100:2' } }))
  const ranks = [{ rank: 0, node: 'n1', cpuMilli: 1000, memoryMiB: 1, diskMiB: 1, accelerators: 1 }]
  const decisions = placed({
    waiting: jobs,
    sites,
    leases: [aLease({ ranks })],
    projects: [aProject({ quota: { accelerators: 5 } })],
  })
  assert.deepEqual(namesOf(decisions), ['w-a', 'w-b'])
  assert.match(decisions[2]?.refusal?.text ?? '', /needs 2 accelerators; project default may hold 5 and holds 5/)
})

test('nodes without inventory are given only as often as there are some, our leases counted', () => {
  const sites = [aSite({ offers: [{ available: 3 }] })]
  const waiting = ['a', 'b', 'c'].map((name) => aJob({ name }))
  assert.deepEqual(namesOf(placed({ waiting, sites, leases: [aLease()] })), ['w-a', 'w-b'])
  assert.equal(namesOf(placed({ waiting, sites: [aSite({ offers: [{}] })] })).length, 3)
})

test('a project is kept from having more than its share at one provider', () => {
  const sites = [
    aSite({ name: 'a', offers: [{ price: 1 }] }),
    aSite({ provider: 'simulated', name: 'b', offers: [{ price: 9 }] }),
  ]
  const waiting = Array.from({ length: 4 }, (_, i) => aJob({ name: `j${i}` }))
  const projects = [aProject({ policy: { maxProviderShare: 0.5 } })]
  assert.deepEqual(sitesOf(placed({ waiting, sites, projects })), ['a', 'b', 'a', 'b'])
})

test('a preferred topology is taken when there is one, although it is dearer, and done without when not', () => {
  const topology = { within: 'block' as const, required: false }
  const job = aJob({ nodes: 2, topology, resources: { cpus: 16 } })
  const apart = aSite({ name: 'apart', nodes: someNodes(2, {}, [1, 1]), offers: [{ price: 1 }] })
  const close = aSite({ name: 'close', nodes: someNodes(2, {}, [1, 2]), offers: [{ price: 2 }] })
  assert.deepEqual(sitesOf(placed({ waiting: [job], sites: [apart, close] })), ['close'])
  assert.deepEqual(sitesOf(placed({ waiting: [job], sites: [apart] })), ['apart'])
})

test('budgets that are used up, deadlines that cannot be met and secrets that were removed refuse before any offer is looked at', () => {
  const sites = [aSite({ offers: [{}] })]
  const spent = new Map([
    ['workload/w-poor', 5_000_000n],
    ['project/broke', 7_100_000n],
  ])
  const waiting = [
    aJob({ name: 'poor', budget: { limit: '$5' } }),
    aJob({ name: 'of-broke', project: 'broke' }),
    aJob({ name: 'late', deadline: '2026-01-01T01:00:00Z', duration: { expected: '2h' } }),
    aJob({ name: 'lost', project: 'nobodys' }),
    aJob({ name: 'bare', secrets: ['TOKEN'] }),
  ]
  const missing = new Map([['w-bare', 'TOKEN']])
  const projects = [aProject(), aProject({ name: 'broke', budgetMicros: 7_000_000 })]
  const decisions = placed({ waiting, sites, spent, missing, projects })
  assert.deepEqual(Object.fromEntries(decisions.map((each) => [each.workload, each.refusal?.text])), {
    'w-poor': 'The budget of poor, $5.00, is used up.',
    'w-of-broke': 'The budget of project broke, $7.00, is used up.',
    'w-late': 'It cannot end by its deadline of 2026-01-01T01:00:00Z any more: it is expected to run for 2h.',
    'w-lost': 'There is no project nobodys, so nothing says what it may use.',
    'w-bare': 'It names the secret TOKEN, which project default does not have any more.',
  })
  const late = decisions.find(({ workload }) => workload === 'w-late')
  const later = 'isobar run <file> (with a later deadline or a shorter duration.expected in it)'
  assert.deepEqual(late?.refusal?.next, [later], 'in a plan there is nothing yet that could be stopped')
})

test('what others use, and nodes that are out of use, are not given', () => {
  const [first, second, third] = someNodes(3, { cpus: 4 })
  assert.ok(first && second && third)
  const foreign = { cpuMilli: 3000, memoryMiB: 0, diskMiB: 0, accelerators: 0 }
  const nodes = [{ ...first, usable: false }, { ...second, foreign }, third]
  const [decision] = placed({ waiting: [aJob({ resources: { cpus: 2 } })], sites: [aSite({ nodes })] })
  assert.equal(decision?.placement?.ranks[0]?.node, 'n2')
})

test('the whole of a service is decided, replica by replica', () => {
  const service = aService({ replicas: 3 })
  assert.equal(allWaiting(service).length, 3)
  assert.equal(placed({ waiting: [service], sites: [aSite({ offers: [{}] })] }).length, 3)
})

test("the store's snapshot is what the engine is given", () => {
  const given = aSnapshot({ waiting: [aJob()], sites: [aSite({ offers: [{}] })], leases: [aLease()] })
  const waiting = given.waiting.map((asked) => ({ ...asked, need: '' }))
  const snapshot: QueueSnapshot = { ...given, waiting, more: false, moreUntold: false, unread: new Map(), after: '' }
  assert.equal(place({ snapshot, now: aNow }).length, 1)
})

const besideOurs = (leases: ReturnType<typeof aLease>[]) =>
  placed({
    waiting: [aJob({ project: 'ours', resources: { cpus: 1 } })],
    projects: [aProject({ name: 'ours', quota: { nodes: 9 } })],
    sites: [aSite({ offers: [{ available: 7 }] }), aSite({ name: 'east', offers: [{ price: 2 }] })],
    leases,
  })[0]

test('leases that are alike and come as one count as many', () => {
  const rank = { rank: 0, cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators: 0 }
  const apart = (count: number, fields: Parameters<typeof aLease>[0]) =>
    Array.from({ length: count }, (_, i) => aLease({ ...fields, id: `l-${i}`, ranks: [rank] }))
  for (const count of [6, 7, 9]) {
    const fields = { project: 'ours', shape: '16cpu' }
    const one = besideOurs([aLease({ ...fields, ranks: [rank], times: count })])
    assert.deepEqual(one, besideOurs(apart(count, fields)))
    assert.equal(one?.placement?.site ?? null, count === 6 ? 'west' : count === 7 ? 'east' : null)
  }
})

test('who only lacks quota keeps free nodes from nobody', () => {
  const west = aSite({ nodes: someNodes(2, { gpus: 8 }) })
  const ranks = [{ rank: 0, node: 'n1', cpuMilli: 1000, memoryMiB: 1, diskMiB: 1, accelerators: 8 }]
  const decisions = placed({
    waiting: [
      aJob({ name: 'more', project: 'full', resources: { accelerators: 'H100:8' } }, { createdAt: aNow - 9 }),
      aJob({ name: 'other', project: 'other', priority: -1, resources: { accelerators: 'H100:8' } }),
    ],
    sites: [west],
    leases: [aLease({ project: 'full', ranks })],
    projects: [aProject({ name: 'full', quota: { accelerators: 8 } }), aProject({ name: 'other' })],
  })
  assert.deepEqual(namesOf(decisions), ['w-other'])
})
