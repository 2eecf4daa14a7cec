import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'
import { createHeap } from '#kit/heap.ts'

import { checkPreemption, type Event } from './check-preemption.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { QuotaNode } from '#engine/queue/quota.ts'
import type { Request } from '#engine/queue/request.ts'
import type { Preemption } from '#model/project.ts'

const nodeClass = { shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
const planFor = (racks: number[]) =>
  planOf(
    racks.flatMap((count, rack) =>
      Array.from({ length: count }, (_, i) => ({ name: `n${rack}-${i}`, path: [`rack ${rack}`], nodeClass })),
    ),
  ).plan
const plans = [planFor([2, 2]), planFor([2])]
const node = (name: string, parent: string | null, gpu: number): QuotaNode => ({
  name,
  parent,
  nominal: gpu > 0 ? { gpu } : {},
  borrowing: {},
  lending: {},
})
const quotas = [node('lab', null, 0), node('a', 'lab', 12), node('b', 'lab', 8), node('c', null, 8)]
const projects = ['a', 'b', 'c']

const gangs: GangRequest[] = [
  ...[1, 2, 4].map((accelerators) => ({ roles: [{ size: { accelerators }, ranks: 1 }] })),
  { roles: [{ size: { accelerators: 4 }, ranks: 2 }], within: { level: 1 } },
  { roles: [{ size: { accelerators: 2 }, ranks: 3 }], within: { level: 1 } },
  { roles: [{ size: { whole: true }, ranks: 2 }] },
]
const gpusOf = ({ roles }: GangRequest): number =>
  roles.reduce((sum, { size, ranks }) => sum + (size.whole ? 4 : (size.accelerators ?? 0)) * ranks, 0)

const made = fc.array(
  fc.record({
    wait: fc.integer({ min: 0, max: 6 }),
    project: fc.constantFrom(...projects),
    priority: fc.constantFrom(0, 0, 1, 2, 3),
    gang: fc.constantFrom(...gangs),
    cells: fc.constantFrom([0], [0, 1], [1, 0]),
    lastsMs: fc.integer({ min: 5, max: 90 }),
    knows: fc.boolean(),
  }),
  { minLength: 8, maxLength: 40 },
)
const anyTerms = fc.record({
  within: fc.constantFrom<Preemption['within']>('never', 'lower-priority', 'lower-priority', 'lower-priority'),
  reclaim: fc.constantFrom<Preemption['reclaim']>('never', 'lower-priority', 'any', 'any'),
  perHour: fc.constantFrom(null, null, null, 2),
})
type Made = typeof made extends fc.Arbitrary<infer T> ? T : never

type Playing = {
  terms: ReadonlyMap<string, Preemption>
  graceMs: number
  movesPerHour?: number
  patienceMs?: number
  /** Is told of those who wait after each turn; true ends it. */
  look?: (line: Line, now: number, waiting: Iterable<string>) => boolean
}

/** Plays all that comes until everybody has run; who is preempted leaves `graceMs` later, and begins anew. */
function played(
  all: Made,
  { terms, graceMs, movesPerHour = 0, patienceMs, look }: Playing,
): { history: Event[]; line: Line } {
  const shares = createShares({
    nodes: quotas.map((one) => ({ ...one, weight: 1 })),
    capacity: { gpu: 24 },
    halfLifeMs: 50,
  })
  const line = new Line({
    cells: plans.map(createCell),
    quotas,
    shares,
    overdueMs: 500,
    preemption: terms,
    movesPerHour,
    patienceMs,
  })
  const waiting = new Set<string>()
  const history: Event[] = []
  const ends = createHeap<{ at: number; id: string; run: number; leaves: boolean }>((a, b) =>
    a.at === b.at ? a.id < b.id : a.at < b.at,
  )
  const requests = new Map<string, Request & { takesMs: number }>()
  const runs = new Map<string, number>()
  let [arrival, next, over] = [0, 0, 0]
  const coming = all.map(({ wait, project, priority, gang, cells, lastsMs, knows }, i) => {
    const key = [project, priority, gangs.indexOf(gang), cells, lastsMs > 20, knows].join(' ')
    const options = cells.map((cell) => ({ cell, gang, amounts: { gpu: gpusOf(gang) } }))
    const want = { key, project, priority, options }
    return { id: `r${i}`, want, since: (arrival += wait), lastsMs: knows ? lastsMs : Infinity, takesMs: lastsMs }
  })
  const submit = (request: Request, at: number): void => {
    line.submit(request)
    waiting.add(request.id)
    history.push({ at, submitted: request })
  }
  for (let moments = 0; over < coming.length; moments++) {
    assert.ok(moments < 20_000, 'it goes on forever')
    const now = Math.min(coming[next]?.since ?? Infinity, ends.peek()?.at ?? Infinity)
    assert.ok(now < Infinity, 'somebody waits, and nothing happens any more')
    for (let end = ends.peek(); end && end.at <= now; end = ends.peek()) {
      ends.pop()
      if ((runs.get(end.id) ?? 0) !== end.run) continue
      runs.set(end.id, end.run + 1)
      line.ended(end.id, now)
      history.push({ at: now, ended: end.id })
      const request = requests.get(end.id)
      if (end.leaves && request) submit(request, now)
      else over++
    }
    for (let one = coming[next]; one && one.since <= now; one = coming[++next]) {
      requests.set(one.id, one)
      submit(one, now)
    }
    for (const decision of line.turn(now)) {
      const { id } = decision
      if (!('refused' in decision)) {
        waiting.delete(id)
        history.push({ at: now, started: id, option: decision.option, ranks: decision.ranks })
        ends.push({ at: now + (requests.get(id)?.takesMs ?? 0), id, run: runs.get(id) ?? 0, leaves: false })
      } else if (decision.refused.cause === 'preempts' || decision.refused.cause === 'moves') {
        const { victims, option } = decision.refused
        history.push({ at: now, preempts: id, option, victims })
        // Whoever ends by itself before the grace is over has ended.
        for (const victim of victims)
          ends.push({ at: now + graceMs, id: victim, run: runs.get(victim) ?? 0, leaves: true })
      }
    }
    if (look?.(line, now, waiting)) break
  }
  return { history, line }
}

const all3 = fc.tuple(anyTerms, anyTerms, anyTerms).map(
  ([a, b, c]) =>
    new Map([
      ['a', a],
      ['b', b],
      ['c', c],
    ]),
)

const anyPatience = fc.constantFrom(0, 0, 30)

test('only whole gangs leave that the rules allow, who preempts starts when they have left, and all run in the end', () => {
  let preempted = 0
  fc.assert(
    fc.property(made, all3, fc.tuple(fc.constantFrom(1, 3), anyPatience), (jobs, own, [graceMs, patienceMs]) => {
      const { history } = played(jobs, { terms: own, graceMs, patienceMs })
      assert.deepEqual(checkPreemption(history, { plans, quotas, terms: own }), [])
      preempted += history.filter((event) => 'preempts' in event).length
    }),
    { seed: 21, numRuns: 250, endOnFailure: true },
  )
  assert.ok(preempted > 200, `only ${preempted} preemptions were tried`)
})

test('the same queue decides the same again', () => {
  fc.assert(
    fc.property(made, all3, (jobs, own) =>
      assert.deepEqual(
        played(jobs, { terms: own, graceMs: 2 }).history,
        played(jobs, { terms: own, graceMs: 2 }).history,
      ),
    ),
    { seed: 22, numRuns: 40 },
  )
})

test('after a turn nobody sleeps who would be placed, or make others leave or move, if everybody was asked', () => {
  const rest = fc.tuple(fc.constantFrom(1, 3), fc.nat({ max: 60 }), fc.constantFrom(0, 0, 4), anyPatience)
  let asleep = 0
  fc.assert(
    fc.property(made, all3, rest, (jobs, own, [graceMs, moment, movesPerHour, patienceMs]) => {
      let left = moment
      const look: Playing['look'] = (line, now, waiting) => {
        if (left-- > 0) return false
        asleep += Array.from(waiting, (id) => line.reconsider(id)).length
        const found = line.turn(now).filter((one) => !('refused' in one) || 'victims' in one.refused)
        assert.deepEqual(found, [])
        return true
      }
      played(jobs, { terms: own, graceMs, movesPerHour, patienceMs, look })
    }),
    { seed: 23, numRuns: 500 },
  )
  assert.ok(asleep > 1000, `only ${asleep} were asked again`)
})
