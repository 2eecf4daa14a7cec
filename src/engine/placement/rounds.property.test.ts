import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Decision, Start } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, aProject, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { checkRounds } from './check-rounds.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Snapshot } from './facts.ts'
import { place } from './place.ts'

// Rounds that follow each other: what is placed runs until it ends, and what was promised is brought back.

const minute = 60_000
const day = 86_400_000

/** What comes, when, how long it runs, and whether it says so. */
type Work = { job: Workload; at: number; runs: number; isTold: boolean }

/** All that happens; times are told in `unit`s. */
type History = {
  works: {
    at: number
    nodes: number
    accelerators: number
    runs: number
    isTold: boolean
    project: string
    priority: number
  }[]
  sites: number[]
  unnamed: number | null
  quota: number | undefined
  unit: number
}

const work = fc.record({
  at: fc.nat(12),
  nodes: fc.integer({ min: 1, max: 4 }),
  accelerators: fc.constantFrom(1, 4, 8),
  runs: fc.integer({ min: 1, max: 15 }),
  isTold: fc.boolean(),
  project: fc.constantFrom('red', 'blue'),
  priority: fc.constantFrom(0, 0, 0, 1),
})

const history: fc.Arbitrary<History> = fc.record({
  works: fc.array(work, { minLength: 3, maxLength: 12 }),
  sites: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }),
  unnamed: fc.option(fc.integer({ min: 4, max: 6 })),
  quota: fc.option(fc.integer({ min: 8, max: 32 }), { nil: undefined }),
  unit: fc.constant(minute),
})

const worksOf = ({ works, unit }: History): Work[] =>
  works.map(({ at, nodes, accelerators, runs, isTold, project, priority }, i) => ({
    at: aNow + at * unit,
    runs: runs * unit,
    isTold,
    job: aJob(
      {
        name: `w${i}`,
        project,
        priority,
        nodes,
        resources: { accelerators: `H100:${accelerators}` },
        ...(isTold && { duration: { maximum: `${(runs * unit) / minute}m` } }),
      },
      { createdAt: aNow + at * unit },
    ),
  }))

function sitesOf({ sites, unnamed }: History): Snapshot['sites'] {
  const named = sites.map((count, i) =>
    aSite({ name: `s${i}`, nodes: someNodes(count, { gpus: 8 }, [2]), offers: [{ gpus: 8, price: i + 1 }] }),
  )
  return unnamed === null
    ? named
    : [...named, aSite({ name: 'z', offers: [{ gpus: 8, price: 9, available: unnamed }] })]
}

type Seen = { now: number; snapshot: Snapshot; decisions: Decision[] }

/** Plays a history and tells of each round: one whenever somebody comes or ends, or a promised start is there. */
function* play(given: History): Iterable<Seen> {
  const works = worksOf(given)
  const [sites, leases] = [sitesOf(given), new Map<string, LiveLease & { until: number }>()]
  const starts = new Map<string, Start>()
  const projects = ['red', 'blue'].map((name) =>
    aProject({ name, quota: given.quota === undefined ? {} : { accelerators: given.quota } }),
  )
  const started = new Set<string>()
  for (let now = aNow; now < Infinity; now = nextAt(now, { works, leases, starts })) {
    for (const [id, { until }] of leases) if (until <= now) leases.delete(id)
    const waiting = works.filter(({ job, at }) => at <= now && !started.has(job.id)).map(({ job }) => job)
    const plain = aSnapshot({ waiting, sites, projects, leases: [...leases.values()] })
    const snapshot = {
      ...plain,
      waiting: plain.waiting.map((asked) => ({ ...asked, start: starts.get(asked.workload.id) ?? null })),
    }
    const decisions = place({ snapshot, now })
    yield { now, snapshot, decisions }
    for (const { workload, placement, refusal } of decisions) {
      starts.delete(workload)
      if (refusal?.start) starts.set(workload, refusal.start)
      const one = works.find(({ job }) => job.id === workload)
      if (!placement || !one) continue
      started.add(workload)
      const until = now + one.runs
      const known = { name: one.job.name, endsAt: one.isTold ? until : null, until }
      leases.set(workload, { ...placement, ...known, id: `l-${workload}`, workload, project: one.job.project })
    }
  }
}

type Next = { works: Work[]; leases: Map<string, { until: number }>; starts: Map<string, Start> }

/** When somebody comes or ends next, or a promised start is there. */
const nextAt = (now: number, { works, leases, starts }: Next): number =>
  [
    ...works.map(({ at }) => at),
    ...[...leases.values()].map(({ until }) => until),
    ...[...starts.values()].map(({ at }) => at),
  ].reduce((next, at) => (at > now && at < next ? at : next), Infinity)

test('a promised start only comes nearer from round to round, and is kept', () => {
  fc.assert(
    fc.property(history, (given) => {
      const seen = [...play(given)].map(({ now, snapshot, decisions }) => ({ input: { snapshot, now }, decisions }))
      assert.deepEqual(checkRounds(seen, 15 * minute), [])
    }),
    { numRuns: 80 },
  )
})

/** Some wait for several nodes while single ones of higher priority come all the time, for months. */
const flood: fc.Arbitrary<History> = fc.record({
  works: fc
    .tuple(
      fc.array(fc.record({ nodes: fc.integer({ min: 2, max: 3 }), at: fc.nat(5), isTold: fc.boolean() }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.record({
        every: fc.integer({ min: 1, max: 3 }),
        nodes: fc.integer({ min: 1, max: 2 }),
        runs: fc.integer({ min: 2, max: 8 }),
        isTold: fc.boolean(),
      }),
    )
    .map(([gangs, { every, ...one }]) => [
      ...gangs.map((gang) => ({ ...gang, accelerators: 8, runs: 3, project: 'red', priority: 0 })),
      ...Array.from({ length: 50 }, (_, i) => ({
        ...one,
        at: i * every,
        accelerators: 8,
        project: i % 3 === 0 ? 'red' : 'blue',
        priority: 1,
      })),
    ]),
  sites: fc.constantFrom<number[][]>([3], [3, 1]),
  unnamed: fc.constant(null),
  quota: fc.option(fc.constant(24), { nil: undefined }),
  unit: fc.constant(day),
})

test('nobody waits without end for room that others take as soon as it is free, whatever their priority', () => {
  fc.assert(
    fc.property(flood, (given) => {
      const seen = [...play(given)].map(({ now, snapshot, decisions }) => ({ input: { snapshot, now }, decisions }))
      assert.deepEqual(checkRounds(seen, 8 * day), [])
    }),
    { numRuns: 15 },
  )
})

test('everybody who can be placed is placed in the end', () => {
  fc.assert(
    fc.property(history, (given) => {
      let last: Decision[] = []
      for (const { decisions } of play(given)) last = decisions
      for (const { refusal } of last) assert.equal(refusal?.impossible, true, refusal?.text)
    }),
    { numRuns: 80 },
  )
})
