import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { setUsable } from '#engine/cell/nodes.ts'
import { planOf } from '#engine/cell/plan.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Decision } from '#engine/queue/request.ts'
import type { Preemption } from '#model/project.ts'

const nodeClass = { shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
const never: Preemption = { within: 'never', reclaim: 'never', perHour: null }

type Own = Partial<Record<'a' | 'b', Partial<Preemption>>>

/** Racks of so many nodes with four accelerators for the projects `a` and `b`, which own a half each and lend it. */
function aLine(racks: number[], own: Own = {}) {
  const nodes = racks.flatMap((count, rack) =>
    Array.from({ length: count }, (_, i) => ({ name: `n${rack}-${i}`, path: [`rack ${rack}`], nodeClass })),
  )
  const cell = createCell(planOf(nodes).plan)
  const gpu = 4 * nodes.length
  const none = { borrowing: {}, lending: {} }
  const quotas = [
    { name: 'all', parent: null, nominal: {}, ...none },
    ...['a', 'b'].map((name) => ({ name, parent: 'all', nominal: { gpu: gpu / 2 }, ...none })),
  ]
  const shares = createShares({
    nodes: quotas.map((one) => ({ ...one, weight: 1 })),
    capacity: { gpu },
    halfLifeMs: 0,
  })
  const preemption = new Map(['a', 'b'].map((name) => [name, { ...never, ...own[name === 'a' ? 'a' : 'b'] }]))
  const line = new Line({ cells: [cell], quotas, shares, overdueMs: 1e9, preemption })
  const comes = (id: string, gang: GangRequest, more: { project?: string; priority?: number; since?: number } = {}) => {
    const { project = 'a', priority = 0, since = 0 } = more
    const amounts = { gpu: gang.roles.reduce((sum, { size, ranks }) => sum + ranks * (size.accelerators ?? 4), 0) }
    const want = { key: id, project, priority, options: [{ cell: 0, gang, amounts }] }
    line.submit({ id, want, since, lastsMs: Infinity })
  }
  return { line, cell, comes }
}

const gangOf = (ranks: number, accelerators: number, within?: number): GangRequest => ({
  roles: [{ size: { accelerators }, ranks }],
  ...(within !== undefined && { within: { level: within } }),
})

const told = (decisions: Decision[]) =>
  decisions.map((one) =>
    'refused' in one
      ? one.refused.cause === 'preempts'
        ? { [one.id]: one.refused.victims }
        : one.refused.cause
      : one.id,
  )

test('who has the least to lose leaves, whole, and the one for whom it leaves starts when it has', () => {
  const { line, comes } = aLine([4], { a: { within: 'lower-priority' } })
  comes('old', gangOf(2, 4))
  assert.deepEqual(told(line.turn(0)), ['old'])
  comes('new', gangOf(2, 4), { since: 50 })
  assert.deepEqual(told(line.turn(50)), ['new'])
  comes('urgent', gangOf(1, 4), { priority: 1, since: 60 })
  assert.deepEqual(told(line.turn(60)), [{ urgent: ['new'] }])
  comes('other', gangOf(1, 4), { since: 61 })
  assert.deepEqual(told(line.turn(61)), ['quota'])
  line.ended('new', 70)
  assert.deepEqual(told(line.turn(70)), ['urgent', 'other'])
})

test('a project takes back what others borrow of it, but makes nobody leave to borrow itself', () => {
  const { line, comes } = aLine([4], { b: { reclaim: 'any' } })
  for (const i of [0, 1, 2, 3]) comes(`a${i}`, gangOf(1, 4), { since: i, priority: 5 })
  assert.equal(line.turn(10).length, 4)
  comes('large', gangOf(3, 4), { project: 'b', since: 11 })
  assert.deepEqual(told(line.turn(11)), ['quota'])
  line.withdraw('large')
  comes('own', gangOf(2, 4), { project: 'b', since: 12 })
  assert.deepEqual(told(line.turn(12)), [{ own: ['a3', 'a2'] }])
  comes('more', gangOf(1, 4), { project: 'b', since: 13 })
  line.ended('a3', 14)
  assert.deepEqual(told(line.turn(14)), ['reserved'])
  line.ended('a2', 15)
  assert.deepEqual(told(line.turn(15)), ['own'])
})

test('those leave whose nodes are in one domain, where that costs the least', () => {
  const { line, comes } = aLine([2, 2, 2], { a: { within: 'lower-priority' } })
  comes('first', gangOf(1, 4), { since: 0 })
  line.turn(0)
  for (const i of [1, 2, 3, 4, 5]) {
    comes(`t${i}`, gangOf(1, 4), { since: 10 * i, project: i < 3 ? 'a' : 'b' })
    line.turn(10 * i)
  }
  comes('pair', gangOf(2, 4, 1), { priority: 1, since: 100 })
  const [decision] = line.turn(100)
  const refused = decision && 'refused' in decision ? decision.refused : null
  assert.deepEqual(refused?.cause === 'preempts' && refused.victims, ['t1', 'first'])
})

test('not more of a project is preempted in an hour than it allows', () => {
  const { line, comes } = aLine([2], { a: { within: 'lower-priority', perHour: 1 } })
  comes('one', gangOf(1, 4))
  comes('two', gangOf(1, 4))
  line.turn(0)
  comes('urgent', gangOf(1, 4), { priority: 1, since: 1 })
  comes('too', gangOf(1, 4), { priority: 1, since: 2 })
  assert.deepEqual(told(line.turn(2)), [{ urgent: ['two'] }, 'quota'])
  line.ended('two', 3)
  assert.deepEqual(told(line.turn(3)), ['urgent'])
  line.reconsider('too')
  assert.deepEqual(told(line.turn(3_600_001)), ['quota'])
  // Nobody has to tell it that the hour is over.
  assert.deepEqual(told(line.turn(3_600_002)), [{ too: ['one'] }])
})

test('nobody leaves where that would not let the other start at once', () => {
  const { line, cell, comes } = aLine([2, 2], { a: { within: 'lower-priority' } })
  comes('low', gangOf(1, 4))
  line.turn(0)
  setUsable(cell, { first: 1, end: 3, usable: false })
  line.changed(0)
  comes('pair', gangOf(2, 4, 1), { priority: 1, since: 1 })
  assert.deepEqual(told(line.turn(1)), ['room'])
})

test('thousands leave for a gang that needs all they have, and for the quota of one that needs that', () => {
  const { line, comes } = aLine([500, 500], { a: { within: 'lower-priority' }, b: { reclaim: 'any' } })
  for (let i = 0; i < 4000; i++) comes(`low${i}`, gangOf(1, 1), { since: i })
  assert.equal(line.turn(4000).length, 4000)
  comes('large', gangOf(490, 4, 1), { project: 'b', since: 4001 })
  const [large] = line.turn(4001)
  const refused = large && 'refused' in large ? large.refused : null
  const victims = refused?.cause === 'preempts' ? refused.victims : []
  assert.equal(victims.length, 4 * 490)
  for (const id of victims) line.ended(id, 4002)
  assert.deepEqual(told(line.turn(4002)), ['large'])
  comes('all', gangOf(500, 4), { priority: 1, since: 4003 })
  const [all] = line.turn(4003)
  assert.equal(all && 'refused' in all && all.refused.cause === 'preempts' && all.refused.victims.length, 2000)
})
