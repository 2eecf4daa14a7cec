import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { LiveLease } from '#model/live-lease.ts'
import type { Decision, Start } from '#model/plan.ts'
import type { Node } from '#model/site.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aLease, aNow, aProject, aReplica, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

type Topology = Exclude<Parameters<typeof aJob>[0], undefined>['topology']

const gang = (nodes: number, topology: Topology = { within: 'nvlink' }, row: Partial<Workload> = {}): Workload =>
  aJob({ name: 'gang', nodes, resources: { accelerators: 'H100:8' }, ...(topology && { topology }) }, row)

const full = { cpuMilli: 96_000, memoryMiB: 1_048_576, diskMiB: 0, accelerators: 8 }

/** What a gang held on these nodes, of which it lost some ranks. */
function kept(workload: Workload, nodes: string[], fields: { lost: number[]; isGone?: boolean; spares?: string[] }) {
  const { lost, isGone = true, spares } = fields
  const ranks = nodes.map((node, rank) => ({ rank, node, ...full }))
  const { id, project, name } = workload
  const held = {
    id: `l-${name}`,
    workload: id,
    project,
    name,
    ranks,
    since: aNow - 9_000,
    graceMs: 30_000,
    leaves: false,
  }
  const beside = spares && { beside: { spares } }
  return aLease({ ...held, shape: '8xh100', kind: 'job', keptFor: { replica: 0, lost, isGone }, ...beside })
}

const back = (workload: Workload, { keptFor, id }: LiveLease, start?: Start) => ({
  workload,
  replica: aReplica(workload, { losses: 1, kept: { lease: id, lost: keptFor?.lost ?? [] } }),
  start: start ?? null,
})

function decided(fields: Parameters<typeof aSnapshot>[0], now = aNow): Decision[] {
  const snapshot = aSnapshot(fields)
  const decisions = place({ snapshot, now })
  assert.deepEqual(check({ snapshot, now }, decisions), [])
  return decisions
}

const nodesOf = (decision: Decision | undefined) => decision?.placement?.ranks.map(({ node }) => node)
const of = (decisions: Decision[], { id }: Workload) => decisions.find(({ workload }) => workload === id)
const racks = (count: number, nodes: number) => aSite({ nodes: someNodes(count * nodes, { gpus: 8 }, [nodes]) })

const three = gang(3)
const vulture = aJob(
  { name: 'vulture', nodes: 2, resources: { accelerators: 'H100:8' } },
  { id: 'w-vulture', priority: 9 },
)

test('a gang that lost a node comes back to the others and a free one of its domain, before whoever is more urgent', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const others = ['n5', 'n6', 'n7'].map((node, i) => aLease({ id: `l-${i}`, ranks: [{ rank: 0, node, ...full }] }))
  const decisions = decided({
    waiting: [vulture, back(three, lease)],
    leases: [lease, ...others],
    sites: [racks(2, 4)],
  })
  const decision = of(decisions, three)
  assert.deepEqual(nodesOf(decision), ['n0', 'n3', 'n2'])
  assert.deepEqual(decision?.repair, { kept: 2, replaced: [{ from: 'n1', to: 'n3' }] })
  // What it lost is lost to it alone: its site still says that it can be used.
  assert.deepEqual(nodesOf(of(decisions, vulture))?.toSorted(), ['n1', 'n4'])
})

test('as long as something of it is left there it waits, and its nodes and the one to come are nobody else’s', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const facts = { waiting: [vulture, back(three, lease)], leases: [lease], sites: [racks(1, 4)] }
  const first = of(decided(facts), three)
  assert.equal(of(decided(facts), vulture)?.placement, null)
  assert.equal(first?.placement, null)
  assert.equal(
    first?.refusal?.text,
    'It lost a node and keeps 2 of its nodes; n3 takes the place of n1. It starts when the rest of its last attempt has ended.',
  )
  assert.deepEqual(first.refusal?.start?.at, aNow + 30_000)
  const later = { ...facts, waiting: [vulture, back(three, lease, first.refusal?.start)] }
  assert.deepEqual(of(decided(later, aNow + 5_000), three)?.refusal, first.refusal, 'the same is told again')
})

test('who waited for the rest of its last attempt a minute longer than that was to take starts anew', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const told = of(decided({ waiting: [back(three, lease)], leases: [lease], sites: [racks(1, 4)] }), three)
  const start = told?.refusal?.start
  const at = (start?.at ?? 0) + 60_000
  const facts = { waiting: [back(three, lease, start)], leases: [lease], sites: [racks(1, 4)] }
  assert.equal(of(decided(facts, at), three)?.refusal?.cause, 'repairing')
  const decision = of(decided(facts, at + 1), three)
  assert.deepEqual([decision?.refusal?.cause, decision?.lets], ['not-repaired', lease.id])
})

test('where others hold by now what is noted as kept, it starts anew', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const other = aLease({ id: 'l-other', ranks: [{ rank: 0, node: 'n2', ...full }] })
  const snapshot = aSnapshot({ waiting: [back(three, lease)], leases: [lease, other], sites: [racks(1, 4)] })
  assert.equal(of(place({ snapshot, now: aNow }), three)?.lets, lease.id)
})

test('who is not read yet of those who want the same keeps its place behind one that comes back', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const low = aJob({ name: 'low', resources: { accelerators: 'H100:8' } }, { id: 'w-low', priority: -9 })
  const waiting = [{ ...back(three, lease), need: 'three' }, low]
  const facts = { waiting, leases: [lease], sites: [racks(2, 4)], unread: new Map([['three', 1]]) }
  assert.equal(of(decided(facts), low), undefined)
})

test('its spare nodes are taken first, and it keeps those that are left', () => {
  const spared = gang(2, { within: 'block', spares: { count: 1, within: 'nvlink' } })
  const lease = kept(spared, ['n0', 'n3'], { lost: [0], spares: ['n2', 'n5'] })
  const sites = [aSite({ nodes: someNodes(6, { gpus: 8 }, [3, 6]) })]
  const [decision] = decided({ waiting: [back(spared, lease)], leases: [lease], sites })
  assert.deepEqual(nodesOf(decision), ['n2', 'n3'])
  assert.deepEqual(decision?.placement?.beside, { spares: ['n5'] })
})

test('a spare node in a domain that the gang has left is kept no more', () => {
  const spared = gang(2, { within: 'block', spares: { count: 1, within: 'nvlink' } })
  const lease = kept(spared, ['n1', 'n4'], { lost: [1], spares: ['n2', 'n5'] })
  // What is not told of any more is sought beside rank 0.
  const nodes = someNodes(6, { gpus: 8 }, [3, 6]).filter(({ name }) => name !== 'n4')
  const [decision] = decided({ waiting: [back(spared, lease)], leases: [lease], sites: [aSite({ nodes })] })
  assert.deepEqual([nodesOf(decision), decision?.placement?.beside], [['n1', 'n2'], undefined])
})

test('a node that its site does not tell of any more is replaced beside the rank next to it', () => {
  const lease = kept(three, ['n4', 'n5', 'n6'], { lost: [1] })
  const nodes = someNodes(8, { gpus: 8 }, [4]).filter(({ name }) => name !== 'n5')
  const [decision] = decided({ waiting: [back(three, lease)], leases: [lease], sites: [aSite({ nodes })] })
  assert.deepEqual(nodesOf(decision), ['n4', 'n7', 'n6'])
})

test('a node that went out of use meanwhile is replaced as well', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const nodes = someNodes(5, { gpus: 8 }, [5]).map((node) => ({ ...node, usable: node.name !== 'n2' }))
  const [decision] = decided({ waiting: [back(three, lease)], leases: [lease], sites: [aSite({ nodes })] })
  assert.deepEqual([nodesOf(decision)?.[0], decision?.repair?.kept], ['n0', 1])
})

test('where its domain has no other node for it, its nodes are left to others and it starts anew', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const facts = { leases: [lease], sites: [racks(2, 3)] }
  const [decision] = decided({ ...facts, waiting: [back(three, lease)] })
  assert.deepEqual([decision?.placement, decision?.lets], [null, lease.id])
  assert.match(decision?.refusal?.text ?? '', /^It lost a node and cannot come back to its others/)
  const [anew] = decided({ ...facts, leases: [], waiting: [three] })
  assert.equal(nodesOf(anew)?.length, 3)
})

test('where the rules keep it from its site, it lets its nodes go', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const away = { ...racks(1, 4), reach: 'unreachable' as const }
  for (const more of [
    { sites: [away] },
    { projects: [aProject({ budgetMicros: 1 })], spent: new Map([['project/default', 1n]]) },
  ]) {
    const facts: Parameters<typeof aSnapshot>[0] = {
      waiting: [back(three, lease)],
      leases: [lease],
      sites: [racks(1, 4)],
      ...more,
    }
    const [decision] = decided(facts)
    assert.deepEqual([decision?.placement, decision?.lets], [null, lease.id])
  }
})

test('what was kept is counted once against its quota, and needs none that others hold', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1] })
  const projects = [aProject({ quota: { accelerators: 24 } })]
  const decisions = decided({ waiting: [vulture, back(three, lease)], leases: [lease], sites: [racks(1, 6)], projects })
  assert.equal(nodesOf(of(decisions, three))?.length, 3)
  const refusal = of(decisions, vulture)?.refusal
  assert.equal(refusal?.cause, 'quota')
  assert.match(refusal.text, /may hold 24 and holds 24/)
})

test('who comes back takes no second place beside', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const low = aJob({ nodes: 4, resources: { accelerators: 'H100:8' } }, { id: 'w-low', priority: -5 })
  const decisions = decided({ waiting: [low, back(three, lease)], leases: [lease], sites: [racks(2, 4)] })
  assert.equal(nodesOf(of(decisions, low))?.length, 4)
})

test('nobody preempts who is to come back: it does not run, and its nodes are not to be had sooner', () => {
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const projects = [aProject({ preemption: { within: 'lower-priority', reclaim: 'never', perHour: null } })]
  const decisions = decided({ waiting: [vulture, back(three, lease)], leases: [lease], sites: [racks(1, 4)], projects })
  assert.equal(of(decisions, vulture)?.preempts, undefined)
})

test('where closeness was only preferred, a node further away does', () => {
  const apart = gang(2, { within: 'nvlink', required: false })
  const lease = kept(apart, ['n0', 'n2'], { lost: [1] })
  const nodes = someNodes(4, { gpus: 8 }, [2]).map((node) => ({ ...node, usable: node.name !== 'n3' }))
  const [decision] = decided({ waiting: [back(apart, lease)], leases: [lease], sites: [aSite({ nodes })] })
  assert.deepEqual(nodesOf(decision), ['n0', 'n1'])
})

test('a node that is promised to somebody else is not taken, but the one it was told to get is', () => {
  const wide = aJob({ name: 'wide', nodes: 2, resources: { accelerators: 'H100:8' } }, { id: 'w-wide', priority: 9 })
  const busy = aLease({
    id: 'l-busy',
    workload: 'w-busy',
    ranks: [{ rank: 0, node: 'n4', ...full }],
    endsAt: aNow + 60_000,
  })
  const lease = kept(three, ['n0', 'n1', 'n2'], { lost: [1], isGone: false })
  const sites = [aSite({ nodes: someNodes(5, { gpus: 8 }, [5]) })]
  const start: Start = { earliest: aNow, at: aNow + 60_000, site: 'local/west', order: 0 }
  const waiting = aSnapshot({ waiting: [wide] }).waiting.map((asked) => ({ ...asked, start }))
  const facts = { leases: [lease, busy], sites }
  const first = decided({ ...facts, waiting: [...waiting, back(three, lease)] })
  assert.equal(of(first, three)?.lets, lease.id)
  const told = decided({ ...facts, waiting: [...waiting, back(three, lease, { ...start, repairs: true })] })
  assert.deepEqual(of(told, three)?.repair?.replaced, [{ from: 'n1', to: 'n3' }])
})

const world = fc.record({
  perRack: fc.integer({ min: 2, max: 4 }),
  racks: fc.integer({ min: 1, max: 3 }),
  busy: fc.array(fc.nat(11), { maxLength: 4 }),
  broken: fc.array(fc.nat(11), { maxLength: 2 }),
  missing: fc.boolean(),
  ranks: fc.integer({ min: 2, max: 4 }),
  first: fc.nat(8),
  lost: fc.array(fc.nat(3), { minLength: 1, maxLength: 2 }),
  isGone: fc.boolean(),
  within: fc.constantFrom('nvlink' as const, 'site' as const),
  exclusive: fc.boolean(),
  others: fc.array(fc.record({ nodes: fc.integer({ min: 1, max: 3 }), priority: fc.constantFrom(0, 9) }), {
    maxLength: 4,
  }),
})
type World = typeof world extends fc.Arbitrary<infer T> ? T : never

/** A gang on nodes next to each other that lost some, beside others that run and others that wait; null where that is none. */
function snapshotOf(given: World): { snapshot: Snapshot; workload: Workload; lease: LiveLease } | null {
  const { perRack, racks: count, ranks, first, within } = given
  const all = someNodes(perRack * count, { gpus: 8 }, [perRack])
  const names = all.slice(first, first + ranks).map(({ name }) => name)
  const lost = [...new Set(given.lost.filter((rank) => rank < ranks))]
  const isOne = new Set(all.slice(first, first + ranks).map(({ path }) => path[0])).size === 1
  if (names.length < ranks || lost.length === 0 || lost.length === ranks || (within === 'nvlink' && !isOne)) return null
  const exclusive = given.exclusive && isOne ? ({ exclusive: 'nvlink' } as const) : {}
  const workload = gang(ranks, { within, ...exclusive })
  const lease = {
    ...kept(workload, names, { lost, isGone: given.isGone }),
    ...(exclusive.exclusive && { beside: exclusive }),
  }
  const isLost = ({ name }: Node): boolean => given.missing && lost.some((rank) => names[rank] === name)
  const nodes = all.filter((node) => !isLost(node)).map((node, i) => ({ ...node, usable: !given.broken.includes(i) }))
  const free = all.filter(
    ({ name, path }) => !names.includes(name) && (!exclusive.exclusive || path[0] !== all[first]?.path[0]),
  )
  const busy = free
    .filter((_, i) => given.busy.includes(i))
    .map(({ name }) => aLease({ id: `l-${name}`, workload: `w-${name}`, ranks: [{ rank: 0, node: name, ...full }] }))
  const waiting = given.others.map(({ nodes: size, priority }, i) =>
    aJob({ name: `o${i}`, nodes: size, resources: { accelerators: 'H100:8' } }, { id: `w-o${i}`, priority }),
  )
  const snapshot = aSnapshot({
    waiting: [...waiting, back(workload, lease)],
    leases: [lease, ...busy],
    sites: [aSite({ nodes })],
  })
  return { snapshot, workload, lease }
}

test('whatever else runs and waits: it comes back to all nodes that it did not lose, or lets all of them go', () => {
  const seen = { back: 0, waits: 0, anew: 0 }
  fc.assert(
    fc.property(world, (given) => {
      const found = snapshotOf(given)
      if (!found) return
      const { snapshot, workload, lease } = found
      const decisions = place({ snapshot, now: aNow })
      assert.deepEqual(check({ snapshot, now: aNow }, decisions), [])
      const decision = of(decisions, workload)
      assert.equal(decision?.lets, decision?.repair ? undefined : lease.id)
      if (!decision?.repair) {
        seen.anew++
        assert.ok(!hasOther(snapshot, lease, workload), 'there was another node for it')
      } else if (decision.placement) seen.back++
      else seen.waits++
      const shuffled = { ...snapshot, waiting: snapshot.waiting.toReversed(), leases: snapshot.leases.toReversed() }
      assert.deepEqual(place({ snapshot: shuffled, now: aNow }), decisions)
    }),
    { seed: 29, numRuns: 900 },
  )
  assert.ok(Math.min(seen.back, seen.waits, seen.anew) > 40, JSON.stringify(seen))
})

/** By counting alone: whether the domain that binds it has as many free nodes as it lost. Says no where it is to be alone. */
function hasOther({ sites, leases }: Snapshot, { ranks, keptFor }: LiveLease, { spec }: Workload): boolean {
  const nodes = sites[0]?.nodes ?? []
  const usable = new Map(nodes.filter((node) => node.usable).map((node) => [node.name, node]))
  const good = ranks.filter(({ rank, node = '' }) => !keptFor?.lost.includes(rank) && usable.has(node))
  if (good.length === 0 || spec.topology?.exclusive) return false
  const domain = usable.get(good[0]?.node ?? '')?.path[0]
  const taken = new Set(leases.flatMap((lease) => lease.ranks.map(({ node }) => node)))
  const free = [...usable.values()].filter(
    ({ name, path }) => !taken.has(name) && (spec.topology?.within === 'site' || path[0] === domain),
  )
  return free.length >= ranks.length - good.length
}
