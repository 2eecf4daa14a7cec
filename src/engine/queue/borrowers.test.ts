import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'

import { Line } from './line.ts'
import { createShares } from './share.ts'

import type { QuotaNode } from './quota.ts'
import type { Decision } from './request.ts'

const nodeClass = { shape: 'x1', accelerators: 1, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }

/** Projects `p` and `q` of one group with 4 each of their own, which take back what they lent and stop less urgent work. */
function aLine() {
  const plan = planOf(Array.from({ length: 8 }, (_, i) => ({ name: `n${i}`, path: [], nodeClass }))).plan
  const quotas = ['group', 'p', 'q'].map((name): QuotaNode => ({
    name,
    parent: name === 'group' ? null : 'group',
    nominal: name === 'group' ? {} : { gpu: 4 },
    borrowing: {},
    lending: {},
  }))
  const line = new Line({
    cells: [createCell(plan)],
    quotas,
    shares: createShares({ nodes: quotas.map((one) => ({ ...one, weight: 1 })), capacity: { gpu: 8 }, halfLifeMs: 0 }),
    overdueMs: 1e9,
    preemption: new Map(
      ['p', 'q'].map((name) => [name, { within: 'lower-priority', reclaim: 'any', perHour: null } as const]),
    ),
  })
  const comes = (id: string, project: string, { priority, gpu }: { priority: number; gpu: number }): void => {
    const gang = { roles: [{ size: { accelerators: 1 }, ranks: gpu }] }
    const want = { key: id, project, priority, options: [{ cell: 0, gang, amounts: { gpu } }] }
    line.submit({ id, want, since: 0, lastsMs: Infinity })
  }
  return { line, comes }
}

const started = (decisions: Decision[]) => decisions.flatMap((one) => ('refused' in one ? [] : [one.id]))

test('who would borrow goes before less urgent work of its own project that would not', () => {
  const { line, comes } = aLine()
  comes('runs', 'q', { priority: 0, gpu: 2 })
  line.turn(0)
  comes('low', 'p', { priority: 0, gpu: 4 })
  comes('high', 'p', { priority: 9, gpu: 6 })
  assert.deepEqual(started(line.turn(1)), ['high'])
})

test('who would borrow goes after those of other projects that would not, whatever the priority', () => {
  const { line, comes } = aLine()
  comes('high', 'p', { priority: 9, gpu: 6 })
  comes('low', 'q', { priority: 0, gpu: 4 })
  assert.deepEqual(started(line.turn(0)), ['low'])
})

test('nobody borrows first what a project would use of its own, though its first would borrow', () => {
  const { line, comes } = aLine()
  comes('runs', 'q', { priority: 9, gpu: 4 })
  line.turn(0)
  comes('high', 'p', { priority: 5, gpu: 6 })
  comes('low', 'p', { priority: 0, gpu: 4 })
  comes('other', 'q', { priority: 9, gpu: 4 })
  assert.deepEqual(started(line.turn(1)), ['low'], 'high cannot borrow, and keeps nothing for nobody knows how long')
  line.ended('runs', 2)
  assert.deepEqual(started(line.turn(2)), ['other'])
})

test('who could borrow as soon as its own less urgent work leaves makes it leave', () => {
  const { line, comes } = aLine()
  comes('runs', 'q', { priority: 9, gpu: 4 })
  line.turn(0)
  comes('high', 'p', { priority: 5, gpu: 6 })
  comes('low', 'p', { priority: 0, gpu: 4 })
  assert.deepEqual(started(line.turn(1)), ['low'])
  line.ended('runs', 2)
  assert.ok(line.turn(2).some((one) => 'refused' in one && one.refused.cause === 'preempts'))
  line.ended('low', 3)
  assert.deepEqual(started(line.turn(3)), ['high'])
})
