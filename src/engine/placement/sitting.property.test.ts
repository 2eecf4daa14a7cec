import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { LiveLease } from '#model/live-lease.ts'
import type { Decision, Start } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { check } from './check.ts'
import type { Asked, More, Snapshot } from './facts.ts'
import { place, sit } from './place.ts'
import { comesBefore } from './queue.ts'
import type { Sitting } from './sitting.ts'

// Rounds that go on with news, beside rounds that look at everything: both must see, and do, the same.

const second = 1_000

type Work = { job: Workload; at: number; runs: number }

type History = {
  works: { at: number; nodes: number; gpus: number; runs: number; isTold: boolean; project: string; priority: number }[]
  nodes: number[]
  unnamed: number | null
  quota: { nominal: number; borrowing: number } | null
  preempts: boolean
  /** After so many moments that go on, one looks at everything. */
  looks: number
  /** So many of each need are read at a time. */
  depth: number
}

const history: fc.Arbitrary<History> = fc.record({
  works: fc.array(
    fc.record({
      at: fc.nat(20),
      nodes: fc.integer({ min: 1, max: 3 }),
      gpus: fc.constantFrom(1, 4, 8),
      runs: fc.integer({ min: 1, max: 10 }),
      isTold: fc.boolean(),
      project: fc.constantFrom('red', 'blue', 'green'),
      priority: fc.constantFrom(0, 0, 1, 2),
    }),
    { minLength: 3, maxLength: 16 },
  ),
  nodes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }),
  unnamed: fc.option(fc.integer({ min: 2, max: 6 })),
  quota: fc.option(fc.record({ nominal: fc.integer({ min: 4, max: 24 }), borrowing: fc.constantFrom(0, 8, 24) })),
  preempts: fc.boolean(),
  looks: fc.integer({ min: 1, max: 12 }),
  depth: fc.constant(Infinity),
})

/** Few needs, of each of which more wait than are read. */
const longLines: fc.Arbitrary<History> = fc
  .record({
    given: history,
    depth: fc.integer({ min: 1, max: 3 }),
    sizes: fc.array(fc.constantFrom(4, 8), { minLength: 24, maxLength: 24 }),
  })
  .map(({ given, depth, sizes }) => ({
    ...given,
    depth,
    works: sizes.map((gpus, i) => {
      const like = given.works[i % given.works.length]
      const project = like?.project === 'red' ? 'red' : 'blue'
      return {
        at: Math.floor((like?.at ?? 0) / 4),
        runs: like?.runs ?? 1,
        nodes: 1,
        gpus,
        isTold: false,
        project,
        priority: 0,
      }
    }),
  }))

const worksOf = ({ works }: History): Work[] =>
  works.map(({ at, nodes, gpus, runs, isTold, project, priority }, i) => ({
    at: aNow + at * second,
    runs: runs * second,
    job: aJob(
      {
        name: `w${i}`,
        project,
        priority,
        nodes,
        resources: { accelerators: `H100:${gpus}` },
        ...(isTold && { duration: { maximum: `${runs}s` } }),
      },
      { createdAt: aNow + at * second },
    ),
  }))

function sitesOf({ nodes, unnamed }: History): Snapshot['sites'] {
  const named = nodes.map((count, i) =>
    aSite({ name: `s${i}`, nodes: someNodes(count, { gpus: 8 }, [2]), offers: [{ gpus: 8, price: i + 1 }] }),
  )
  if (unnamed === null) return named
  return [...named, aSite({ name: 'z', offers: [{ gpus: 8, price: 9, available: unnamed }] })]
}

function projectsOf({ quota, preempts }: History): Snapshot['projects'] {
  const limits = quota && {
    parent: 'all',
    quota: { accelerators: quota.nominal },
    borrowing: { accelerators: quota.borrowing },
  }
  const rules = preempts && {
    preemption: { within: 'lower-priority' as const, reclaim: 'any' as const, perHour: null },
  }
  const leaves = ['red', 'blue', 'green'].map((name) => aProject({ name, ...limits, ...rules }))
  return [aProject({ name: 'all' }), ...leaves]
}

/** The world as the store knows it. */
type World = {
  works: Work[]
  leases: Map<string, LiveLease & { until: number }>
  done: Set<string>
  starts: Map<string, Start>
}

/** `isOver`: there is nothing more to be read before time goes on. */
type Moment = {
  now: number
  facts: Snapshot
  decisions: Decision[]
  wentOn: Sitting | null
  isOver: boolean
  world: World
}

/** Plays a history: a moment whenever somebody comes, ends or has left, or a promised start is there. */
function* play(given: History): Iterable<Moment> {
  const world: World = { works: worksOf(given), leases: new Map(), done: new Set(), starts: new Map() }
  const still = { sites: sitesOf(given), projects: projectsOf(given) }
  let [open, told, leases] = [null as Sitting | null, new Set<string>(), 0]
  let sinceLook = 0
  for (let now = aNow; now < Infinity; now = open && open.ranOut.length > 0 ? now : nextAt(now, world)) {
    const gone = [...world.leases].filter(([, { until }]) => until <= now).map(([id]) => id)
    for (const id of gone) world.leases.delete(id)
    const facts = factsOf(world, still, now)
    const come = facts.waiting.filter(({ workload }) => !told.has(workload.id))
    told = new Set(facts.waiting.map(({ workload }) => workload.id))
    const goesOn = open?.isOpen && sinceLook++ < given.looks ? open : null
    const sitting: Sitting = goesOn ?? sit({ snapshot: firstOf(facts, given.depth), now })
    if (!goesOn) sinceLook = 0
    const more = goesOn ? readMore(goesOn, facts, given.depth) : []
    const decisions = goesOn ? goesOn.goOn({ gone, come, more }, now) : sitting.decisions
    yield { now, facts, decisions, wentOn: goesOn, isOver: sitting.isOpen && sitting.ranOut.length === 0, world }
    let isSame = true
    for (const decision of decisions) {
      const { workload, placement, refusal, preempts = [] } = decision
      world.starts.delete(workload)
      if (refusal?.start) world.starts.set(workload, refusal.start)
      for (const { lease } of preempts) leave(world, lease, now)
      isSame &&= preempts.length === 0
      const one = world.works.find(({ job }) => job.id === workload)
      if (!placement || !one) continue
      const id = `l-${leases++}`
      sitting.stands(decision, id)
      world.done.add(workload)
      world.leases.set(id, leaseOf(one, { id, placement, now }))
    }
    open = isSame ? sitting : null
  }
}

const needIn = ({ workload: { project, priority, spec } }: Asked): string =>
  JSON.stringify([project, priority, spec.resources, spec.kind === 'job' && spec.nodes, spec.duration])

const linesOf = (facts: Snapshot): Map<string, Asked[]> =>
  Map.groupBy(
    facts.waiting.toSorted((a, b) => (comesBefore(a, b) ? -1 : 1)),
    (asked) => asked.need ?? '',
  )

/** What a look reads: so many of each need, and the last, who is told why he waits. */
function firstOf(facts: Snapshot, depth: number): Snapshot {
  if (depth === Infinity) return facts
  const lines = [...linesOf(facts)]
  return {
    ...facts,
    waiting: lines.flatMap(([, line]) => [...line.slice(0, depth), ...line.slice(depth).slice(-1)]),
    unread: new Map(lines.flatMap(([need, { length }]) => (length > depth ? [[need, depth]] : []))),
  }
}

function readMore({ ranOut }: Sitting, facts: Snapshot, depth: number): More[] {
  const lines = linesOf(facts)
  return ranOut.map(({ need, last }) => {
    const behind = (lines.get(need) ?? []).filter((asked) => comesBefore(last, asked))
    return { need, asked: behind.slice(0, depth), isAll: behind.length <= depth }
  })
}

/** Who has to leave is gone a second later, and waits no more: that would be another story. */
function leave({ leases }: World, id: string, now: number): void {
  const lease = leases.get(id)
  if (lease) leases.set(id, { ...lease, leaves: true, endsAt: now + second, until: now + second })
}

function leaseOf(
  { job, runs }: Work,
  { id, placement, now }: { id: string; placement: NonNullable<Decision['placement']>; now: number },
) {
  const { name, project, priority, spec } = job
  const endsAt = spec.duration.maximumMs === undefined ? null : now + runs
  const { run: _run, ...where } = placement
  return {
    ...where,
    id,
    workload: job.id,
    name,
    project,
    priority,
    kind: 'job' as const,
    since: now,
    leaves: false,
    endsAt,
    until: now + runs,
  }
}

function factsOf(
  { works, leases, done, starts }: World,
  still: Pick<Snapshot, 'sites' | 'projects'>,
  now: number,
): Snapshot {
  const waiting = works.filter(({ job, at }) => at <= now && !done.has(job.id)).map(({ job }) => job)
  const plain = aSnapshot({ waiting, ...still, leases: [...leases.values()] })
  const asked = plain.waiting.map((one): Asked => ({
    ...one,
    need: needIn(one),
    start: starts.get(one.workload.id) ?? null,
  }))
  return { ...plain, waiting: asked }
}

const nextAt = (now: number, { works, leases, starts }: World): number =>
  [
    ...works.map(({ at }) => at),
    ...[...leases.values()].map(({ until }) => until),
    ...[...starts.values()].map(({ at }) => at),
  ].reduce((next, at) => (at > now && at < next ? at : next), Infinity)

const leasesIn = ({ leases }: Snapshot): string[] => leases.map(({ id }) => id).sort()
const waitingIn = ({ waiting }: Snapshot): string[] => waiting.map(({ workload }) => workload.id).sort()

test('a round that goes on keeps every promise of the engine', () => {
  fc.assert(
    fc.property(history, (given) => {
      for (const { now, facts, decisions } of play(given))
        assert.deepEqual(check({ snapshot: facts, now }, decisions), [])
    }),
    { numRuns: 300 },
  )
})

test('a round that goes on knows what one that looks at everything would read', () => {
  fc.assert(
    fc.property(history, (given) => {
      for (const { wentOn, facts } of play(given)) {
        if (!wentOn) continue
        const known = wentOn.facts
        assert.deepEqual([leasesIn(known), waitingIn(known)], [leasesIn(facts), waitingIn(facts)])
      }
    }),
    { numRuns: 300 },
  )
})

// Where somebody is left out, others may be too: what is promised him keeps nodes, and one that is promised anew others.
test('after a round that went on nobody waits who would all find room if everything was looked at', () => {
  fc.assert(
    fc.property(history, (given) => {
      for (const { now, facts, decisions, wentOn } of play({ ...given, preempts: false })) {
        if (!wentOn || decisions.some(({ placement }) => placement)) continue
        const fresh = place({ snapshot: facts, now })
        assert.ok(fresh.length === 0 || fresh.some(({ placement }) => !placement), 'all of them could start')
      }
    }),
    { numRuns: 300 },
  )
})

test('a round that has placed all that it knew of a need reads more: nobody is placed before who is unread, or left out', () => {
  let [reads, moments] = [0, 0]
  fc.assert(
    fc.property(longLines, (given) => {
      for (const moment of play(given)) {
        checkMoment(moment, given)
        moments += 1
        if (moment.wentOn && moment.wentOn.ranOut.length > 0) reads += 1
      }
    }),
    { numRuns: 150 },
  )
  assert.ok(reads > moments / 20, `${reads} of ${moments} moments ran out`)
})

function checkMoment({ now, facts, decisions, wentOn, isOver }: Moment, { preempts }: History): void {
  const placed = new Set(decisions.flatMap(({ workload, placement }) => (placement ? [workload] : [])))
  for (const [need, line] of linesOf(facts)) {
    const first = line.findIndex(({ workload }) => !placed.has(workload.id))
    const late = line.slice(first).find(({ workload }) => placed.has(workload.id))
    assert.equal(first === -1 ? undefined : late?.workload.name, undefined, `in the line of ${need}`)
  }
  if (!wentOn) return
  assert.deepEqual(check({ snapshot: facts, now }, decisions), [])
  if (!preempts) assert.ok(wentOn.isOpen, 'it was told too little')
  if (!isOver || preempts || placed.size > 0) return
  const fresh = place({ snapshot: facts, now })
  assert.ok(fresh.length === 0 || fresh.some(({ placement }) => !placement), 'all of them could start')
}
