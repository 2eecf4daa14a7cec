import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { Asked, Snapshot } from '#engine/placement/facts.ts'
import { check } from '#engine/placement/check.ts'
import { place, type PlaceInput } from '#engine/placement/place.ts'
import type { LiveLease } from '#model/live-lease.ts'
import type { Decision, Start } from '#model/plan.ts'
import type { Workload } from '#model/workload.ts'
import { aJob, aNow, aProject, aReplica, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import type { House } from './reconciler.ts'
import { noteRound, toRead } from './sleepers.ts'

// Two houses to which the same happens: one reads everybody in each round, the other lets equal needs sleep.

const minute = 60_000

/** So many of a line wait for the same, and come together. */
const line = fc.record({
  at: fc.nat(6),
  count: fc.integer({ min: 1, max: 24 }),
  nodes: fc.integer({ min: 1, max: 3 }),
  accelerators: fc.constantFrom(1, 4, 8),
  runs: fc.constantFrom(1, 2, 5),
  isTold: fc.boolean(),
  project: fc.constantFrom('red', 'blue'),
  priority: fc.constantFrom(0, 0, 1),
})

/** From a minute on a site has so many nodes that may be used, or does not answer. */
const change = fc.record({ at: fc.nat(10), site: fc.nat(1), usable: fc.nat(4), answers: fc.boolean() })

const history = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 4 }),
  sites: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
  changes: fc.array(change, { maxLength: 4 }),
  quotas: fc.array(fc.record({ at: fc.nat(10), accelerators: fc.integer({ min: 0, max: 40 }) }), { maxLength: 2 }),
})

type History = typeof history extends fc.Arbitrary<infer T> ? T : never
type Work = { job: Workload; at: number; runs: number; isTold: boolean; need: string }

const worksOf = ({ lines }: History): Work[] =>
  lines.flatMap(({ at, count, runs, isTold, project, priority, ...asks }, number) =>
    Array.from({ length: count }, (_, i): Work => {
      const duration = isTold ? { duration: { maximum: `${runs}m` } } : {}
      const resources = { accelerators: `H100:${asks.accelerators}` }
      const spec = { name: `l${number}-${i}`, project, priority, nodes: asks.nodes, resources, ...duration }
      const createdAt = aNow + at * minute + i
      const need = JSON.stringify([project, priority, asks, duration])
      return { job: aJob(spec, { createdAt }), at: createdAt, runs: runs * minute, isTold, need }
    }),
  )

/** No more of a need come than are read of it, however long it has slept. */
const isShort = (given: History): boolean =>
  [...Map.groupBy(worksOf(given), ({ need }) => need).values()].every(({ length }) => length <= 8)

/** The sites as they are at a time. */
const sitesAt = ({ sites, changes }: History, now: number): Snapshot['sites'] =>
  sites.map((count, i) => {
    const last = changes.findLast(({ site, at }) => site === i && aNow + at * minute <= now)
    const nodes = someNodes(count, { gpus: 8 }, [2]).map((node, n) => ({
      ...node,
      usable: n < (last?.usable ?? count),
    }))
    const reach = last?.answers === false ? ('unreachable' as const) : ('reachable' as const)
    return aSite({ name: `s${i}`, reach, nodes, offers: [{ gpus: 8, price: i + 1 }] })
  })

const projectsAt = ({ quotas }: History, now: number): Snapshot['projects'] => {
  const last = quotas.findLast(({ at }) => aNow + at * minute <= now)
  return ['red', 'blue'].map((name) => aProject({ name, quota: last ? { accelerators: last.accelerators } : {} }))
}

type Running = LiveLease & { until: number }
type Reading = { waiting: Asked[]; unread: Map<string, number>; more: boolean; after: string }
/** What of all that wait is read in a round, and what is remembered of it; without it, everybody is. */
type Reader = {
  read: (queue: Asked[], now: number) => Reading
  note: (read: Reading, decisions: Decision[], now: number) => boolean
}

const everybody: Reader = {
  read: (waiting) => ({ waiting, unread: new Map(), more: false, after: '' }),
  note: () => false,
}

/** The queue of the store in few words: `queries/queue.ts`. */
function sleepers(): Reader {
  const house = {} as House // only what is remembered of it is used
  const told = new Set<string>()
  return {
    read(all, now) {
      const { asleep, after } = toRead(house, now)
      const lines = Map.groupBy(all, ({ need = '' }) => need)
      const awake = all.filter(({ need = '' }) => !asleep.has(need))
      const firsts = [...asleep].flatMap(([need, depth]) => lines.get(need)?.slice(0, depth) ?? [])
      const untold = all.filter(({ workload, need = '' }) => asleep.has(need) && !told.has(workload.id))
      const promised = all.filter(({ start }) => start)
      const first = new Set([...awake, ...firsts])
      const read = new Set([...first, ...untold, ...promised])
      const depths = [...Map.groupBy(first, ({ need = '' }) => need)].map(
        ([need, some]) => [need, some.length] as const,
      )
      return {
        waiting: all.filter((one) => read.has(one)),
        unread: new Map(depths.filter(([need, depth]) => (lines.get(need)?.length ?? 0) > depth)),
        more: false,
        after: after ?? '',
      }
    },
    note(read, decisions, now) {
      for (const { workload } of decisions) told.add(workload)
      const more = read.more || decisions.length < read.waiting.length
      const snapshot = { ...read, waiting: read.waiting.map((asked) => ({ ...asked, need: asked.need ?? '' })) }
      const round = { snapshot: snapshot as Parameters<typeof noteRound>[1]['snapshot'], decisions, more, now }
      return noteRound(house, round) || more
    },
  }
}

/** Every half minute: all comes, ends and changes on whole ones. */
const moments = Array.from({ length: 60 }, (_, i) => aNow + i * 30_000 + 100)

const placedOf = (decisions: Decision[]): string[] =>
  decisions.flatMap(({ workload, placement }) => (placement ? [workload] : []))

type Looks = (input: PlaceInput, decisions: Decision[]) => void

/**
 * Who stands where after each moment at which something happens. A round after which nothing more is to be read at once has
 * placed whom it would have placed if it had read everybody. `looks` sees each round.
 */
function play(given: History, reader: Reader, looks: Looks = () => {}): string[] {
  const works = worksOf(given)
  const [leases, starts, started] = [new Map<string, Running>(), new Map<string, Start>(), new Set<string>()]
  const queueAt = (now: number): Asked[] =>
    works
      .filter(({ job, at }) => at <= now && !started.has(job.id))
      .map(({ job, need }): Asked => {
        return { workload: job, replica: aReplica(job), need, start: starts.get(job.id) ?? null }
      })
      .sort((a, b) => b.workload.priority - a.workload.priority || a.workload.createdAt - b.workload.createdAt)
  const factsAt = (now: number) => ({
    sites: sitesAt(given, now),
    projects: projectsAt(given, now),
    leases: [...leases.values()],
  })
  return moments.map((now) => {
    for (const [id, { until }] of leases) if (until <= now) leases.delete(id)
    for (let more = true, rounds = 0; more; rounds++) {
      assert.ok(rounds < 200, 'it asks for more without an end')
      const [queue, facts] = [queueAt(now), factsAt(now)]
      const read = reader.read(queue, now)
      const input = { snapshot: aSnapshot({ ...read, ...facts }), now }
      const decisions = place(input)
      looks(input, decisions)
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
      more = reader.note(read, decisions, now)
      if (!more) {
        const all = place({ snapshot: aSnapshot({ ...everybody.read(queue, now), ...facts }), now })
        assert.deepEqual(placedOf(decisions), placedOf(all), 'somebody sleeps through what is there for him')
      }
    }
    const standing = [...leases.values()].map(({ workload, site, ranks }) =>
      [workload, site, ...ranks.map(({ node }) => node)].join(' '),
    )
    return `${(now - aNow) / 1000} s: ${standing.sort().join(', ')}`
  })
}

/** All that was read of a line found room when it was free again, and the next of it were not read at once. */
const twentyOne: History = {
  lines: [{ at: 0, count: 21, nodes: 2, accelerators: 1, runs: 1, isTold: false, project: 'red', priority: 0 }],
  sites: [2, 1],
  changes: [],
  quotas: [],
}

test('where all of a line is read, whoever lets equal needs sleep places the same at the same time as one who asks everybody', () => {
  fc.assert(
    fc.property(history.filter(isShort), (given) => {
      assert.deepEqual(play(given, sleepers()), play(given, everybody))
    }),
    { numRuns: 30, examples: [[twentyOne]] },
  )
})

test('however long lines are, a round after which no more is read places all whom it would if it read everybody', () => {
  fc.assert(
    fc.property(history, (given) => {
      play(given, sleepers(), (input, decisions) => {
        assert.deepEqual(check(input, decisions), [])
      })
    }),
    { numRuns: 30, examples: [[twentyOne]] },
  )
})
