import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Project } from '#model/project.ts'
import { aFleet, aReplay, ran, someJobs } from '#simulator/builders.ts'
import { plainProject } from '#simulator/scenario/projects.ts'
import { quiet, type Scenario } from '#simulator/scenario/scenario.ts'
import type { Job } from '#simulator/traces/job.ts'

import type { Place } from './floor.ts'
import { Replay } from './replay.ts'
import type { Act, MakeScheduler } from './scheduler.ts'
import type { JobRecord } from './job-record.ts'
import { createWatch } from './watch.ts'

/** A policy that does with all who wait at once what a test says. */
const policy =
  (decide: (waiting: JobRecord[], act: Act) => void): MakeScheduler =>
  () => {
    const waiting: JobRecord[] = []
    return {
      name: 'wrong',
      waits: (record) => void waiting.push(record),
      left: () => {},
      decide: (_now, act) => decide(waiting.splice(0), act) as undefined,
    }
  }

const fleet = aFleet({ count: 2 }, { count: 1, unit: 'cpu', size: 8 })

function breaks(jobs: Job[], scheduler: MakeScheduler, scenario: Partial<Scenario> = {}): () => void {
  const replay = new Replay({ fleet, jobs, scheduler, scenario: { ...quiet, ...scenario }, seed: 1 })
  return () => {
    while (replay.step());
  }
}

const onSpots = (...spots: number[][]) =>
  policy((waiting, act) => waiting.forEach((record, i) => act.start(record, spots[i] ?? [])))

test('a policy that gives a node twice is ended with the node and what is asked of it', () => {
  const jobs = someJobs([0, 6, 10], [0, 4, 10])
  assert.throws(breaks(jobs, onSpots([0, 6], [0, 4])), {
    name: 'BrokenRule',
    message: 'node 0 has 2 free, and 4 of it are given',
  })
})

const broken = (job: Job[], spots: number[]) => breaks(job, onSpots(spots))

test('a gang is whole, in one group of its unit, and divided as it asks', () => {
  assert.throws(broken(someJobs([0, 16, 10]), [0, 8]), /^BrokenRule: j0 asks for 16 and is given 8$/)
  assert.throws(broken(someJobs([0, 4, 10]), [2, 4]), /^BrokenRule: j0 asks for gpu and is on .* which has cpu$/)
  assert.throws(broken(someJobs([0, 16, 10]), [0, 8, 2, 8]), /^BrokenRule: j0 stands in .* and on node 2/)
  assert.throws(broken(someJobs([0, 8, 10, { ranks: 2 }]), [0, 5, 1, 3]), /^BrokenRule: j0 asks for 2 equal ranks/)
  assert.doesNotThrow(broken(someJobs([0, 8, 10, { ranks: 2 }]), [0, 4, 1, 4]))
})

test('nothing starts where nothing new is taken', () => {
  const [group = fleet.groups[0]] = fleet.groups
  const outages = group ? [{ groups: [group], atMs: 5, forMs: 10, running: 'kept' as const }] : []
  const jobs = someJobs([0, 4, 9], [6, 4, 9])
  assert.throws(breaks(jobs, onSpots([0, 4]), { outages }), /^BrokenRule: j1 starts in .* which takes nothing new$/)
})

const greedy: MakeScheduler = (...given) => ({ ...onSpots([0, 6], [1, 4])(...given), keepsTerms: true })
const accelerators = (count: number) => ({ quota: { accelerators: count } })

const breaksUnder = (projects: Project[], ...[one = 'a', other = one]: string[]) => {
  const jobs = someJobs([0, 6, 10, { project: one }], [0, 4, 10, { project: other }])
  const replay = new Replay({ fleet, jobs, scheduler: greedy, scenario: quiet, projects, seed: 1, watched: 'always' })
  return () => replay.step()
}

test('who keeps quotas keeps those of a project, of its tree, and what it may borrow', () => {
  assert.doesNotThrow(breaksUnder([plainProject('a', accelerators(10))]))
  assert.throws(
    breaksUnder([plainProject('a', accelerators(9))]),
    /^BrokenRule: a holds 10 accelerators, and may hold 9$/,
  )
  const tree = [
    plainProject('top', accelerators(9)),
    ...['a', 'b'].map((name) => plainProject(name, { parent: 'top' })),
  ]
  assert.throws(breaksUnder(tree, 'a', 'b'), /^BrokenRule: top holds 10 accelerators, and may hold 9$/)
  const bound = [
    plainProject('top', accelerators(10)),
    plainProject('b', { parent: 'top', borrowing: { accelerators: 9 } }),
  ]
  assert.throws(breaksUnder(bound, 'b'), /^BrokenRule: b holds 10 accelerators, and may hold 9$/)
})

const breaksFor = (rules: Project['policy']) => {
  const projects = [plainProject('a', { policy: rules })]
  const jobs = someJobs([0, 6, 10, { project: 'a' }])
  const replay = new Replay({ fleet: twoSites, jobs, scheduler: abroad, scenario: quiet, projects, seed: 1 })
  return () => replay.step()
}
const twoSites = aFleet({ priceMicros: 1 }, { site: 'aws/us', provider: 'aws', jurisdictions: ['US'], priceMicros: 80 })
const abroad: MakeScheduler = (...given) => ({ ...onSpots([1, 6])(...given), keepsTerms: true })

test('who keeps to policies starts nobody where its project may not be, or for more than it pays', () => {
  assert.doesNotThrow(breaksFor({ maxPriceMicros: 60, jurisdictions: ['US'], sites: ['aws/us'] }))
  const at = 'BrokenRule: j0 starts in aws/us x8, and a allows only'
  assert.throws(breaksFor({ providers: ['local'] }), new RegExp(`^${at} local$`))
  assert.throws(breaksFor({ sites: ['local/here'] }), new RegExp(`^${at} local/here$`))
  // Six of eight accelerators for 80 a node.
  assert.throws(breaksFor({ maxPriceMicros: 59 }), /^BrokenRule: j0 costs 60 .* in aws\/us x8, and a pays 59$/)
})

const sharing = (...places: Place[]): MakeScheduler => {
  const scheduler = policy((waiting, act) => waiting.forEach((record, i) => act.start(record, [0, 1], places[i])))
  return (...given) => ({ ...scheduler(...given), givesParts: true })
}
const parts = (...some: Job['part'][]) =>
  someJobs(...some.map((part): [number, number, number, object] => [0, 1, 9, { part }]))
const shares = (jobs: Job[], ...places: Place[]) => {
  const h100 = aFleet({ size: 2, accelerator: 'H100', acceleratorMemoryMiB: 80 * 1024, mig: true })
  const scheduler = sharing(...places)
  const replay = new Replay({ fleet: h100, jobs, scheduler, scenario: quiet, seed: 1, watched: 'always' })
  return () => replay.step()
}

test('an accelerator that is shared has no more than itself to give, in fractions or in slices', () => {
  const [first, second] = [0, 1].map((device) => ({ device, start: 0 })) as [Place, Place] // of two
  const most = parts({ shareMilli: 600 }, { shareMilli: 500 })
  assert.throws(shares(most, first, first), /^BrokenRule: of one accelerator of node 0 1100 thousandths are given, 500/)
  assert.doesNotThrow(shares(most, first, second))
  const slices = parts({ profile: '1g.10gb' }, { profile: '1g.20gb' })
  assert.throws(
    shares(slices, { device: 0, start: 1 }, first),
    /^BrokenRule: j1 has slice 1 of an accelerator of node 0/,
  )
  assert.doesNotThrow(shares(slices, first, { device: 0, start: 2 }))
  const mixed = parts({ profile: '1g.10gb' }, { shareMilli: 100 })
  assert.throws(shares(mixed, first, first), /^BrokenRule: j1 has a fraction of an accelerator of node 0 that is cut/)
  assert.throws(
    shares(parts({ shareMilli: 100 })),
    /^BrokenRule: j0 asks for a part of an accelerator, and is given all/,
  )
})

test('nobody is stopped who does not run, nor started twice', () => {
  const jobs = someJobs([0, 4, 9])
  assert.throws(
    breaks(
      jobs,
      policy(([record], act) => record && act.preempt(record)),
    ),
    /^BrokenRule: j0 is waiting and cannot be stopped$/,
  )
  const twice = policy(([record], act) => {
    if (record) for (const node of [0, 1]) act.start(record, [node, 4])
  })
  assert.throws(breaks(jobs, twice), /^BrokenRule: j0 is running and cannot start$/)
})

const begun = () => {
  const { replay } = aReplay({ fleet, jobs: someJobs([0, 6, 10], [0, 6, 10], [5, 1, 10]) })
  replay.step()
  const [first, second] = replay.records
  assert.ok(first && second)
  return { replay, first, second }
}

test('who looks from beside sees work that is not accounted for, and nodes given twice behind the back of the floor', () => {
  const worked = begun()
  worked.first.doneMs += 1
  assert.throws(() => worked.replay.step(), /^BrokenRule: j0 held nodes for 0 ms, and did 1, lost 0/)
  const moved = begun()
  moved.second.spots = moved.first.spots
  assert.throws(() => moved.replay.step(), /^BrokenRule: node 0 of local\/here x8 has 8, and given is j0 6 and j1 6/)
})

test('where deadlines are kept nobody ends after its own', () => {
  const late = { deadlineMs: 15 }
  const { records } = ran({ fleet, jobs: someJobs([0, 16, 10], [0, 16, 10, late]) })
  const look = (keepsDeadlines: boolean) => () =>
    createWatch(fleet, { every: 1, terms: [], keepsDeadlines }).look(records, { now: 20, arrived: 2 })
  assert.doesNotThrow(look(false))
  assert.throws(look(true), /^BrokenRule: j1 was to end by 15 and did at 20: it was started too late$/)
})
