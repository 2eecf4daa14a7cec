import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { LiveLease } from '#model/live-lease.ts'
import type { Decision, Start } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { check } from './check.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

const grace = 30_000
const minute = 60_000

function decided(fields: Parameters<typeof aSnapshot>[0], { now = aNow, movesPerHour = 2 } = {}): Decision[] {
  const snapshot = aSnapshot(fields)
  const decisions = place({ snapshot, now, movesPerHour })
  assert.deepEqual(check({ snapshot, now, movesPerHour }, decisions), [])
  return decisions
}

const gang = (nodes: number, row: Partial<Workload> = {}): Workload =>
  aJob({ name: 'gang', nodes, resources: { accelerators: 'H100:8' }, topology: { within: 'nvlink' } }, row)

/** Holds so many GPUs of each of these nodes, and may be moved. */
const holds = (id: string, nodes: string[], fields: Partial<LiveLease> & { gpus?: number } = {}): LiveLease => {
  const { gpus = 8, ...rest } = fields
  const ranks = nodes.map((node, rank) => ({
    rank,
    node,
    cpuMilli: 1000,
    memoryMiB: 1024,
    diskMiB: 0,
    accelerators: gpus,
  }))
  const known = { id: `l-${id}`, workload: `w-${id}`, name: id, kind: 'job', priority: 0, movable: true } as const
  return aLease({ ...known, ranks, since: aNow - 60 * minute, leaves: false, graceMs: grace, ...rest })
}

const racks = (count: number, perRack: number) => aSite({ nodes: someNodes(count * perRack, { gpus: 8 }, [perRack]) })
/** Two racks of two, and in each of them one node is taken. */
const split = { leases: [holds('a', ['n0']), holds('b', ['n2'], { since: aNow - 90 * minute })], sites: [racks(2, 2)] }

test('for a gang that has room and no domain somebody is moved who has room elsewhere, and the domain is kept for it', () => {
  const facts = { ...split, waiting: [gang(2)] }
  const [decision] = decided(facts)
  assert.deepEqual([decision?.preempts, decision?.moves], [[{ lease: 'l-a', workload: 'w-a', name: 'a' }], true])
  assert.match(
    decision?.refusal?.text ?? '',
    /^Room is made for it: a moves elsewhere, and what it holds is kept for it/,
  )
  assert.equal(decision?.refusal?.start?.at, aNow + grace)
  const leaving = split.leases.map((lease) =>
    lease.id === 'l-a' ? { ...lease, leaves: true, endsAt: aNow + grace } : lease,
  )
  const preemptions = [{ by: 'w-gang', victim: 'w-a', project: 'default', at: aNow, isMove: true }]
  const moved = aJob({ name: 'a', resources: { accelerators: 'H100:8' } }, { id: 'w-a', priority: 5, createdAt: 0 })
  const again = (start: Start | undefined, leases: LiveLease[], waiting: Workload[]) => {
    const snapshot = aSnapshot({ ...facts, leases, preemptions, waiting })
    const told = snapshot.waiting.map((asked) =>
      asked.workload === moved ? asked : { ...asked, start: start ?? null },
    )
    return decided({ ...snapshot, waiting: told }, { now: aNow + 1_000 })
  }
  const [meanwhile] = again(decision?.refusal?.start, leaving, facts.waiting)
  assert.deepEqual([meanwhile?.preempts, meanwhile?.refusal?.start?.at], [undefined, aNow + grace])
  const last = again(meanwhile?.refusal?.start, split.leases.slice(1), [moved, ...facts.waiting])
  assert.deepEqual(
    last.map(({ workload, placement }) => [workload, placement?.ranks.map(({ node }) => node)]),
    [
      ['w-a', ['n3']],
      ['w-gang', ['n0', 'n1']],
    ],
  )
})

const movedAt = (at: number) => [{ by: 'w-x', victim: 'w-y', project: 'default', at, isMove: true }]
const atMost = (perHour: number) => [aProject({ preemption: { within: 'never', reclaim: 'never', perHour } })]

test('nobody is moved by default, nor more than so many in an hour', () => {
  const facts = { ...split, waiting: [gang(2)] }
  assert.equal(decided(facts, { movesPerHour: 0 })[0]?.preempts, undefined)
  const after = (at: number) =>
    decided({ ...facts, preemptions: movedAt(at) }, { movesPerHour: 1 })[0]?.preempts?.length
  assert.deepEqual([after(aNow - 59 * minute), after(aNow - 61 * minute)], [undefined, 1])
  const leases = ['n0', 'n2', 'n4', 'n6'].map((node) => holds(node, [node]))
  const both = { leases, sites: [racks(4, 2)], waiting: [gang(2), gang(2, { id: 'w-other', priority: 1 })] }
  const makers = (movesPerHour: number) => decided(both, { movesPerHour }).filter(({ preempts }) => preempts).length
  assert.deepEqual([makers(1), makers(2)], [1, 2])
})

test('nobody is moved for who is less urgent, again within the hour, without its work being saved, or against its project', () => {
  const names = (fields: Partial<Parameters<typeof aSnapshot>[0]>, more: Partial<LiveLease> = {}) => {
    const leases = split.leases.map((lease) => ({ ...lease, ...more }))
    return decided({ ...split, waiting: [gang(2)], leases, ...fields })[0]?.preempts?.map(({ name }) => name)
  }
  assert.deepEqual(names({}), ['a'])
  assert.equal(names({}, { priority: 1 }), undefined)
  assert.equal(names({}, { movable: false }), undefined)
  const spared = [holds('a', ['n0', 'n1'], { beside: { spares: ['n2'] } }), holds('b', ['n3'], { movable: false })]
  assert.equal(names({ leases: spared, sites: [racks(2, 3)], waiting: [gang(3)] }), undefined)
  const preempted = [{ by: 'w-x', victim: 'w-a', project: 'default', at: aNow - 30 * minute }]
  assert.deepEqual(names({ preemptions: preempted }), ['b'])
  assert.equal(names({ projects: atMost(0) }), undefined)
  assert.deepEqual(names({ projects: atMost(1) }), ['a'])
  assert.equal(names({ projects: atMost(1), preemptions: preempted }), undefined)
})

test('that work may be moved changes nothing of who goes first', () => {
  const projects = [
    aProject({ name: 'root' }),
    aProject({ name: 'lender', parent: 'root', quota: { accelerators: 8 } }),
    aProject({ name: 'borrower', parent: 'root', quota: { accelerators: 0 } }),
  ]
  const waiting = ['lender', 'borrower'].map((project, i) =>
    gang(1, { id: `w-${project}`, project, createdAt: aNow - i }),
  )
  for (const movesPerHour of [0, 2]) {
    const decisions = decided({ projects, waiting, sites: [racks(1, 2)] }, { movesPerHour })
    const placed = decisions.filter(({ placement }) => placement).map(({ workload }) => workload)
    assert.deepEqual(placed, ['w-borrower'])
  }
})

test('who is moved must have room on nodes of its kind, as close together as it stands', () => {
  const kinds = someNodes(4, { gpus: 8 }, [2]).map((node) => (node.name === 'n3' ? { ...node, taints: ['odd'] } : node))
  assert.equal(decided({ ...split, sites: [aSite({ nodes: kinds })], waiting: [gang(2)] })[0]?.preempts, undefined)
  // A pair in one rack would have room only in two.
  const leases = [holds('pair', ['n0', 'n1']), holds('b', ['n3'], { since: aNow - minute }), holds('c', ['n6'])]
  const nodes = [...someNodes(9, { gpus: 8 }, [3])]
  const facts = { sites: [aSite({ nodes })], waiting: [gang(3)] }
  assert.deepEqual(
    decided({ ...facts, leases })[0]?.preempts?.map(({ name }) => name),
    ['b'],
  )
  const pinned = leases.map((lease) => ({ ...lease, movable: lease.name === 'pair' }))
  assert.deepEqual(
    decided({ ...facts, leases: pinned })[0]?.preempts?.map(({ name }) => name),
    ['pair'],
    'two nodes are free in another rack',
  )
  const tighter = [...pinned, holds('d', ['n4'], { movable: false }), holds('e', ['n7'], { movable: false })]
  assert.equal(decided({ ...facts, leases: tighter })[0]?.preempts, undefined)
})

const priority = fc.constantFrom(0, 0, 0, 1)
/** Small ones that run already, each on a node of its own, as others have left them; and gangs that want most of a rack. */
const small = fc.record({
  nodes: fc.constant(1),
  gpus: fc.constantFrom(2, 4, 8),
  priority,
  lasts: fc.integer({ min: 10, max: 40 }),
})
const wide = fc.record({
  nodes: fc.constantFrom(2, 3),
  gpus: fc.constant(8),
  priority,
  lasts: fc.integer({ min: 3, max: 9 }),
})
const stories = fc
  .tuple(fc.array(fc.tuple(small, fc.nat(8)), { maxLength: 5 }), fc.array(fc.tuple(wide, fc.nat(8)), { maxLength: 5 }))
  .map(([smalls, wides]) => [
    ...smalls
      .filter(([, node], i) => smalls.findIndex((one) => one[1] === node) === i)
      .map(([one, at]) => ({ ...one, round: -1, at })),
    ...wides.map(([one, round]) => ({ ...one, round, at: -1 })),
  ])
type Story = typeof stories extends fc.Arbitrary<(infer T)[]> ? T : never

test('from round to round all come to rest and run in the end, and who is moved runs again', () => {
  const seen = { moves: 0, back: 0 }
  fc.assert(
    fc.property(stories, fc.integer({ min: 1, max: 4 }), (some, movesPerHour) => run(some, movesPerHour, seen)),
    { seed: 12, numRuns: 120, endOnFailure: true },
  )
  assert.ok(seen.moves > 20 && seen.back === seen.moves, JSON.stringify(seen))
})

/** Runs rounds as the control plane would: who is placed holds a lease, who has to leave does so two rounds later. */
function run(some: Story[], movesPerHour: number, seen: { moves: number; back: number }): void {
  const sites = [racks(3, 3)]
  const waiting = new Map<string, Workload>()
  const leases = new Map<string, LiveLease & { left: number }>()
  const starts = new Map<string, Start | null>()
  const preemptions: NonNullable<Snapshot['preemptions']> = []
  const away = new Set<string>()
  const work = ({ nodes, gpus, priority: urgency }: Story, id: string, createdAt: number): Workload => {
    const topology = nodes > 1 ? { topology: { within: 'nvlink' as const } } : {}
    return aJob(
      { nodes, resources: { accelerators: `H100:${gpus}` }, ...topology },
      { id, priority: urgency, createdAt },
    )
  }
  for (const [i, { at, gpus, priority: urgency, lasts }] of some.entries())
    if (at >= 0)
      leases.set(`w-${i}`, { ...holds(`${i}`, [`n${at}`], { gpus, priority: urgency, since: aNow }), left: lasts })
  for (let round = 0; round < 200; round++) {
    const now = aNow + round * 10_000
    for (const [i, story] of some.entries())
      if (story.round === round) waiting.set(`w-${i}`, work(story, `w-${i}`, now + i))
    const known = aSnapshot({ waiting: [...waiting.values()], leases: [...leases.values()], sites, preemptions })
    const told = known.waiting.map((asked) => ({ ...asked, start: starts.get(asked.workload.id) ?? null }))
    for (const { workload, placement, refusal, preempts = [] } of decided(
      { ...known, waiting: told },
      { now, movesPerHour },
    )) {
      starts.set(workload, refusal?.start ?? null)
      const [asked, story] = [waiting.get(workload), some[Number(workload.slice(2))]]
      if (placement && asked && story) {
        waiting.delete(workload)
        if (away.delete(workload)) seen.back++
        const lease = {
          ...placement,
          id: `l-${workload}-${round}`,
          workload,
          priority: asked.priority,
          kind: 'job' as const,
        }
        const since = { since: now, leaves: false, graceMs: 20_000, movable: true, left: story.lasts }
        leases.set(workload, { ...aLease(lease), ...since })
      }
      for (const { workload: victim } of preempts) {
        const lease = leases.get(victim)
        if (!lease) continue
        leases.set(victim, { ...lease, leaves: true, left: 2, endsAt: now + 20_000 })
        preemptions.push({ by: workload, victim, project: 'default', at: now, isMove: true })
        seen.moves++
      }
    }
    for (const [id, lease] of leases) {
      if (--lease.left > 0) continue
      leases.delete(id)
      const story = some[Number(id.slice(2))]
      if (!lease.leaves || !story) continue
      away.add(id)
      waiting.set(id, work(story, id, aNow))
    }
    if (round > 8 && waiting.size + leases.size === 0) break
  }
  assert.deepEqual([...waiting.keys()], [], 'all run in the end')
}
