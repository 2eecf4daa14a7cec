import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'

import { Line } from './line.ts'
import { createShares } from './share.ts'

const nodeClass = { shape: 'x8', accelerators: 8, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }

/** A line over so many nodes, of which all but one run somebody; and how often anybody's place in it was worked out. */
function aLine(nodes: number) {
  const plan = planOf(Array.from({ length: nodes }, (_, i) => ({ name: `n${i}`, path: [], nodeClass }))).plan
  const own = createShares({ nodes: [{ name: 'a', parent: null, weight: 1 }], capacity: { gpu: 8 }, halfLifeMs: 0 })
  const counted = { paths: 0 }
  const path: typeof own.path = (name, now) => {
    counted.paths++
    return own.path(name, now)
  }
  const line = new Line({
    cells: [createCell(plan)],
    quotas: [{ name: 'a', parent: null, nominal: {}, borrowing: {}, lending: {} }],
    shares: { ...own, path },
    overdueMs: 1e9,
  })
  const comes = (id: string, ranks: number, { since, priority = 0, lastsMs = 1000 }: More): void => {
    const gang = { roles: [{ size: { whole: true }, ranks }] }
    const want = { key: id, project: 'a', priority, options: [{ cell: 0, gang, amounts: {} }] }
    line.submit({ id, want, since, lastsMs })
  }
  return { line, comes, counted }
}
type More = { since: number; priority?: number; lastsMs?: number }

test('where a promise was just withdrawn, those who sleep are put in order once a turn, not for each who is asked', () => {
  const many = 100
  const { line, comes, counted } = aLine(2 * many)
  comes('runs', many, { since: 0, lastsMs: 9000 })
  line.turn(0)
  for (let i = 0; i < many; i++) comes(`large${i}`, 2 * many - 1, { since: 1 + i })
  line.turn(many)
  assert.equal(line.promisedIn(0)?.request.id, 'large0')
  line.withdraw('large0')
  for (let i = 0; i < many; i++) comes(`urgent${i}`, 1, { since: many, priority: 1 })
  counted.paths = 0
  const decisions = line.turn(many)
  assert.equal(decisions.filter((one) => !('refused' in one)).length, many)
  assert.ok(counted.paths < 30 * many, `${counted.paths} places were worked out`)
})

test('who sleeps is promised a start before somebody who comes after it starts, also who fell asleep in this very turn', () => {
  const { line, comes } = aLine(4)
  comes('runs', 2, { since: 0, lastsMs: 9000 })
  line.turn(0)
  comes('first', 4, { since: 0, priority: 5 })
  line.turn(0)
  comes('second', 3, { since: 1, priority: 3 })
  comes('urgent', 1, { since: 1, priority: 9 })
  line.withdraw('first')
  comes('less', 1, { since: 1, priority: 1, lastsMs: 99_000 })
  comes('least', 1, { since: 1, priority: 0, lastsMs: 99_000 })
  const started = line.turn(1).flatMap((one) => ('refused' in one ? [] : [one.id]))
  assert.deepEqual(started, ['urgent', 'less'])
  assert.equal(line.promisedIn(0)?.request.id, 'second')
})
