import assert from 'node:assert/strict'
import { test } from 'node:test'

import { array, assert as holds, constantFrom, integer, property, record } from 'fast-check'

import type { Decision, Start } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aLease, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'

import { checkRounds, type Seen } from './check-rounds.ts'
import { check } from './check.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Snapshot } from './facts.ts'
import { overdueMs, place } from './place.ts'

const grace = 30_000

function decided(snapshot: Snapshot, now = aNow): Decision[] {
  const decisions = place({ snapshot, now })
  assert.deepEqual(check({ snapshot, now }, decisions), [])
  return decisions
}

const gpus = (count: number, row: Partial<Workload> = {}, nodes = 1): Workload =>
  aJob({ nodes, resources: { accelerators: `H100:${count}` } }, row)

const held = (id: string, fields: Partial<LiveLease> & { gpus: number; node: string }): LiveLease => {
  const { gpus: accelerators, node, ...rest } = fields
  const rank = { rank: 0, node, cpuMilli: 1000, memoryMiB: 1024, diskMiB: 0, accelerators }
  const lease = { id: `l-${id}`, workload: `w-${id}`, name: id, ranks: [rank], since: aNow - 3_600_000, priority: 0 }
  return aLease({ ...lease, kind: 'job', leaves: false, ...rest })
}

const lower = { within: 'lower-priority', reclaim: 'never', perHour: null } as const
const one = aSite({ nodes: someNodes(1, { gpus: 8 }) })

test('work of lower priority leaves, least lost work first, and what it holds is kept', () => {
  const high = gpus(4, { id: 'w-high', name: 'high', priority: 5 })
  const leases = [
    held('old', { gpus: 4, node: 'n0', since: aNow - 7_200_000 }),
    held('young', { gpus: 4, node: 'n0', since: aNow - 60_000 }),
  ]
  const projects = [aProject({ preemption: lower })]
  const [decision] = decided(aSnapshot({ waiting: [high], leases, projects, sites: [one] }))
  assert.deepEqual(decision?.preempts, [{ lease: 'l-young', workload: 'w-young', name: 'young' }])
  assert.match(decision.refusal?.text ?? '', /^Room is made for it: young has to leave/)
  const leaving = leases.map((lease) =>
    lease.id === 'l-young' ? { ...lease, leaves: true, endsAt: aNow + grace } : lease,
  )
  const [later] = decided(aSnapshot({ waiting: [high], leases: leaving, projects, sites: [one] }), aNow + 1000)
  assert.equal(later?.preempts, undefined, 'nobody else has to leave while one is leaving')
  assert.equal(later?.refusal?.start?.at, aNow + grace)
  const small = gpus(4, { id: 'w-small', priority: 1, createdAt: aNow - 5 })
  const gone = decided(aSnapshot({ waiting: [small, high], leases: leaving.slice(0, 1), projects, sites: [one] }))
  assert.deepEqual(
    gone.map(({ workload, placement }) => [workload, placement !== null]),
    [
      ['w-high', true],
      ['w-small', false],
    ],
  )
})

test('who writes checkpoints has no more to lose than half of what lies between two, however long it runs', () => {
  const high = gpus(4, { id: 'w-high', name: 'high', priority: 5 })
  const leases = [
    held('saves', { gpus: 4, node: 'n0', since: aNow - 7_200_000, savesEveryMs: 600_000 }),
    held('young', { gpus: 4, node: 'n0', since: aNow - 360_000 }),
  ]
  const facts = { waiting: [high], projects: [aProject({ preemption: lower })], sites: [one] }
  const left = (now: number) => decided(aSnapshot({ ...facts, leases }), now)[0]?.preempts?.map(({ name }) => name)
  assert.deepEqual(left(aNow), ['saves'])
  assert.deepEqual(left(aNow - 120_000), ['young'])
})

test('nobody has to leave at a site that does not answer, where nobody knows when they have left', () => {
  const high = gpus(4, { id: 'w-high', name: 'high', priority: 5 })
  const away = aSite({ reach: 'unreachable', nodes: someNodes(1, { gpus: 8 }) })
  const sites = [one, { ...away, info: { ...away.info, name: 'east' } }]
  const leases = [
    held('old', { gpus: 4, node: 'n0', since: aNow - 7_200_000 }),
    held('young', { gpus: 4, node: 'n0', since: aNow - 60_000, site: 'east' }),
  ]
  const projects = [aProject({ quota: { accelerators: 8 }, preemption: lower })]
  const [decision] = decided(aSnapshot({ waiting: [high], leases, projects, sites }))
  assert.deepEqual(
    decision?.preempts?.map(({ name }) => name),
    ['old'],
  )
})

test('nobody leaves for who lost its nodes just now and starts by itself within a minute, however old it is', () => {
  const high = gpus(8, { id: 'w-high', priority: 5, createdAt: aNow - 3_600_000 })
  const leases = [held('soon', { gpus: 8, node: 'n0', endsAt: aNow + 30_000 })]
  const facts = aSnapshot({ waiting: [high], leases, projects: [aProject({ preemption: lower })], sites: [one] })
  assert.equal(decided(facts)[0]?.preempts?.length, 1, 'it waited for an hour')
  const waiting = facts.waiting.map((asked) => ({ ...asked, replica: { ...asked.replica, notBefore: aNow - 1000 } }))
  assert.equal(decided({ ...facts, waiting })[0]?.preempts, undefined)
})

test('what others leave is kept for the one for whom they left, whoever comes first of those that come later', () => {
  const high = gpus(4, { id: 'w-high', name: 'high', priority: 5, createdAt: aNow - 1000 })
  const older = gpus(3, { id: 'w-older', name: 'older', priority: 5, createdAt: aNow - 5000 })
  const stays = held('stays', { gpus: 4, node: 'n0', priority: 9 })
  const leaves = held('leaves', { gpus: 4, node: 'n0', graceMs: grace })
  const projects = [aProject({ preemption: lower })]
  const facts = { projects, sites: [one] }
  const [first] = decided(aSnapshot({ ...facts, waiting: [high], leases: [stays, leaves] }))
  assert.equal(first?.refusal?.start?.at, aNow + grace)
  const preemptions = [{ by: 'w-high', victim: 'w-leaves', project: 'default', at: aNow }]
  const both = (start: Start | undefined, leases: LiveLease[], now: number): Decision[] => {
    const snapshot = aSnapshot({ ...facts, waiting: [high, older], leases, preemptions })
    const waiting = snapshot.waiting.map((asked) =>
      asked.workload === high ? { ...asked, start: start ?? null } : asked,
    )
    return decided({ ...snapshot, waiting }, now)
  }
  const leaving = both(first.refusal.start, [stays, { ...leaves, leaves: true, endsAt: aNow + grace }], aNow + 1000)
  const kept = leaving.find(({ workload }) => workload === 'w-high')?.refusal?.start
  assert.equal(kept?.at, aNow + grace)
  const gone = both(kept, [stays], aNow + grace)
  assert.deepEqual(
    gone.filter(({ placement }) => placement).map(({ workload }) => workload),
    ['w-high'],
  )
})

test('what others leave for several at one site is kept for each of them, and told as long as somebody leaves', () => {
  const sites = [aSite({ nodes: someNodes(2, { gpus: 8 }) })]
  const highs = ['first', 'second'].map((name, i) =>
    gpus(8 - i, { id: `w-${name}`, name, priority: 5, createdAt: aNow + i }),
  )
  const lows = ['a', 'b'].map((id, i) => held(id, { gpus: 8, node: `n${i}`, graceMs: grace }))
  const facts = { projects: [aProject({ preemption: lower }), aProject({ name: 'other' })], sites }
  const before = decided(aSnapshot({ ...facts, waiting: highs, leases: lows }))
  const left = before.map(({ preempts }) => preempts?.[0]?.workload ?? '')
  assert.deepEqual(left.toSorted(), ['w-a', 'w-b'])
  const preemptions = before.map(({ workload: by, preempts }) => {
    return { by, victim: preempts?.[0]?.workload ?? '', project: 'default', at: aNow }
  })
  // It is asked before them, since its project holds nothing.
  const newcomer = gpus(8, { id: 'w-new', project: 'other', priority: 5, createdAt: aNow - 1 })
  const start = (id: string) => before.find(({ workload }) => workload === id)?.refusal?.start ?? null
  const round = (leases: LiveLease[], now: number): Decision[] => {
    const snapshot = aSnapshot({ ...facts, waiting: [...highs, newcomer], leases, preemptions })
    const waiting = snapshot.waiting.map((asked) => ({ ...asked, start: start(asked.workload.id) }))
    return decided({ ...snapshot, waiting }, now)
  }
  const leaving = lows.map((lease) => ({ ...lease, leaves: true, endsAt: aNow + grace }))
  for (const decision of round(leaving, aNow + 1000).filter(({ workload }) => workload !== 'w-new')) {
    const name = left[before.findIndex(({ workload }) => workload === decision.workload)]?.slice(2)
    assert.equal(decision.preempts, undefined)
    assert.equal(decision.refusal?.start?.at, aNow + grace)
    assert.match(decision.refusal.text, new RegExp(`^Room is made for it: ${name} has to leave`))
  }
  assert.deepEqual(
    round([], aNow + grace).map(({ workload, placement }) => [workload, placement !== null]),
    [
      ['w-new', false],
      ['w-first', true],
      ['w-second', true],
    ],
  )
})

test('nobody leaves where no project says so, for equal priority, or for one for whom that one had to leave', () => {
  const leases = [held('low', { gpus: 8, node: 'n0' })]
  const at = (priority: number, fields: Partial<Snapshot> = {}) =>
    decided(aSnapshot({ waiting: [gpus(8, { id: 'w-it', priority })], leases, sites: [one], ...fields }))[0]?.preempts
  assert.equal(at(9), undefined)
  const projects = [aProject({ preemption: lower })]
  assert.equal(at(0, { projects }), undefined)
  assert.equal(at(9, { projects })?.length, 1)
  const preemptions = [{ by: 'w-low', victim: 'w-it', project: 'default', at: aNow - 1 }]
  assert.equal(at(9, { projects, preemptions }), undefined)
})

test('what others of its tree borrow is reclaimed, and no oftener than their project allows', () => {
  const quota = { accelerators: 4 }
  const reclaim = { within: 'never', reclaim: 'any', perHour: null } as const
  const projects = (perHour: number | null) => [
    aProject({ name: 'lab' }),
    aProject({ name: 'a', parent: 'lab', quota, preemption: reclaim }),
    aProject({ name: 'b', parent: 'lab', quota, preemption: { within: 'never', reclaim: 'never', perHour } }),
  ]
  const leases = ['one', 'two'].map((id) => held(id, { gpus: 4, node: 'n0', project: 'b' }))
  const waiting = [gpus(4, { id: 'w-it', project: 'a' })]
  const facts = { waiting, leases, sites: [one] }
  assert.equal(decided(aSnapshot({ ...facts, projects: projects(null) }))[0]?.preempts?.length, 1)
  assert.equal(decided(aSnapshot({ ...facts, projects: projects(0) }))[0]?.preempts, undefined)
  const within = leases.slice(0, 1)
  const [decision] = decided(aSnapshot({ ...facts, leases: within, projects: projects(null) }))
  assert.notEqual(decision?.placement, null, 'there is room')
})

test('who would borrow is placed before less urgent work of its own project that would not', () => {
  const { waiting, ...facts } = borrower()
  assert.deepEqual(placedOf(decided(aSnapshot({ ...facts, waiting }))), ['w-borrows'])
})

test('nobody has to leave in the round in which it is placed, though it is asked before one who may make it leave', () => {
  const { waiting, ...facts } = borrower()
  const [borrows, low] = waiting
  const old = { ...low, createdAt: aNow - overdueMs }
  const decisions = decided(aSnapshot({ ...facts, waiting: [borrows, old] }))
  assert.deepEqual(placedOf(decisions), ['w-low'])
  assert.ok(decisions.every(({ preempts }) => preempts === undefined))
})

/** Two of one project, of which the more urgent one would borrow, and room for one of them. */
function borrower() {
  const projects = [
    aProject({ name: 'lab' }),
    aProject({ name: 'a', parent: 'lab', quota: { accelerators: 4 } }),
    aProject({ name: 'b', parent: 'lab', quota: { accelerators: 4 }, preemption: lower }),
  ]
  const waiting: [Workload, Workload] = [
    gpus(4, { id: 'w-borrows', project: 'b', priority: 1 }),
    gpus(2, { id: 'w-low', project: 'b', priority: 0 }),
  ]
  const leases = [held('stays', { gpus: 2, node: 'n0', project: 'b', priority: 5 })]
  return { waiting, leases, projects, sites: [aSite({ nodes: someNodes(1, { gpus: 6 }) })] }
}

const placedOf = (decisions: Decision[]) =>
  decisions.flatMap(({ workload, placement }) => (placement ? [workload] : []))

test('from round to round all come to rest: nobody is made to leave without end, and all run in the end', () => {
  const job = record({
    project: constantFrom('a', 'b', 'c'),
    priority: integer({ min: 0, max: 5 }),
    gpus: constantFrom(1, 2, 4),
    nodes: integer({ min: 1, max: 2 }),
    round: integer({ min: 0, max: 6 }),
    lasts: integer({ min: 4, max: 20 }),
  })
  const preemption = record({
    within: constantFrom('never' as const, 'lower-priority' as const),
    reclaim: constantFrom('never' as const, 'lower-priority' as const, 'any' as const),
    perHour: constantFrom(null, 3),
  })
  holds(property(array(job, { minLength: 4, maxLength: 10 }), array(preemption, { minLength: 3, maxLength: 3 }), run), {
    numRuns: 100,
    seed: 4,
    endOnFailure: true,
  })
  assert.ok(left > 10, `${left} had to leave in all`)
})

let left = 0

type Story = { project: string; priority: number; gpus: number; nodes: number; round: number; lasts: number }
type Terms = Snapshot['projects'][number]['preemption']

/** Runs rounds as the control plane would: who is placed holds a lease, who has to leave does so two rounds later. */
function run(stories: Story[], terms: Terms[]): void {
  const projects = [
    aProject({ name: 'root' }),
    ...['a', 'b', 'c'].map((name, i) =>
      aProject({ name, parent: 'root', quota: { accelerators: 4 }, ...(terms[i] && { preemption: terms[i] }) }),
    ),
  ]
  const sites = [aSite({ nodes: someNodes(2, { gpus: 6 }) })]
  const waiting = new Map<string, Workload>()
  const leases = new Map<string, LiveLease & { left: number; round: number }>()
  const starts = new Map<string, Start | null>()
  const preemptions: NonNullable<Snapshot['preemptions']> = []
  const bound = stories.length * stories.length
  const seen: Seen[] = []
  for (let round = 0; round < 200; round++) {
    const now = aNow + round * 10_000
    for (const [i, story] of stories.entries())
      if (story.round === round) {
        const { project, priority, gpus: count, nodes } = story
        waiting.set(`w-${i}`, gpus(count, { id: `w-${i}`, project, priority, createdAt: now + i }, nodes))
      }
    const snapshot = aSnapshot({
      waiting: [...waiting.values()],
      leases: [...leases.values()],
      projects,
      sites,
      preemptions,
    })
    const rests = snapshot.waiting.map((asked) => ({ ...asked, start: starts.get(asked.workload.id) ?? null }))
    const input = { snapshot: { ...snapshot, preemptions: [...preemptions], waiting: rests }, now }
    const decisions = decided(input.snapshot, now)
    seen.push({ input, decisions })
    for (const { workload, placement, refusal, preempts = [] } of decisions) {
      starts.set(workload, refusal?.start ?? null)
      const asked = waiting.get(workload)
      const story = stories[Number(workload.slice(2))]
      if (placement && asked && story) {
        waiting.delete(workload)
        const { project, priority } = asked
        const { provider, site, tier, ranks } = placement
        const lease = { id: `l-${workload}-${round}`, workload, project, provider, site, tier, ranks, priority }
        leases.set(workload, {
          ...aLease(lease),
          kind: 'job',
          since: now,
          leaves: false,
          graceMs: 20_000,
          left: story.lasts,
          round,
        })
      }
      for (const { workload: victim } of preempts) {
        const lease = leases.get(victim)
        if (!lease) continue
        leases.set(victim, { ...lease, leaves: true, left: 2, endsAt: now + 20_000 })
        preemptions.push({ by: workload, victim, project: lease.project, at: now })
      }
    }
    for (const [id, lease] of leases) {
      if (--lease.left > 0) continue
      leases.delete(id)
      const story = stories[Number(id.slice(2))]
      if (lease.leaves && story)
        waiting.set(
          id,
          gpus(story.gpus, { id, project: story.project, priority: story.priority, createdAt: aNow }, story.nodes),
        )
    }
    assert.ok(preemptions.length <= bound, `${preemptions.length} had to leave`)
    if (round > 6 && waiting.size + leases.size === 0) break
  }
  assert.deepEqual([...waiting.keys()], [], 'all run in the end')
  assert.deepEqual(checkRounds(seen, 200_000), [])
  left += preemptions.length
}
