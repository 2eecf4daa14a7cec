import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { Decision } from '#engine/queue/request.ts'

/**
 * What Kueue does in hierarchical cohorts (KEP-79; pkg/scheduler/preemption/classical/hierarchical_preemption.go, v0.12):
 * who asks may reclaim from outside of the lowest cohort whose quota holds its request, and only what is borrowed on each
 * level between the victim and the cohort in which both are.
 */
const nodeClass = { shape: 'x1', accelerators: 1, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }

/** Two groups of two projects that own four each. */
function aLine() {
  const nodes = Array.from({ length: 16 }, (_, i) => ({ name: `n${i}`, path: [], nodeClass }))
  const parents = { house: null, left: 'house', right: 'house', a: 'left', b: 'left', c: 'right', d: 'right' }
  const quotas = Object.entries(parents).map(([name, parent]) => {
    const nominal: Record<string, number> = name.length === 1 ? { gpu: 4 } : {}
    return { name, parent, nominal, borrowing: {}, lending: {} }
  })
  const line = new Line({
    cells: [createCell(planOf(nodes).plan)],
    quotas,
    shares: createShares({
      nodes: quotas.map((one) => ({ ...one, weight: 1 })),
      capacity: { gpu: 16 },
      halfLifeMs: 0,
    }),
    overdueMs: 1e9,
    preemption: new Map(quotas.map(({ name }) => [name, { within: 'never', reclaim: 'any', perHour: null }])),
  })
  let now = 0
  /** So many that take one each, or one that takes so many. */
  const comes = (project: string, count: number, gpu: number): Decision[] => {
    now++
    const gang = { roles: [{ size: { accelerators: 1 }, ranks: gpu }] }
    const want = { key: `${project} ${gpu}`, project, priority: 0, options: [{ cell: 0, gang, amounts: { gpu } }] }
    for (let i = 0; i < count; i++) line.submit({ id: `${project}${now}-${i}`, want, since: now, lastsMs: Infinity })
    return line.turn(now)
  }
  const runs = (project: string, count: number) =>
    assert.ok(comes(project, count, 1).every((decision) => !('refused' in decision)))
  /** The projects of those who leave for it. */
  const asks = (project: string, gpu: number): string[] => {
    const [decision] = comes(project, 1, gpu)
    const refused = decision && 'refused' in decision ? decision.refused : null
    return refused?.cause === 'preempts' ? refused.victims.map((id) => id.slice(0, 1)) : []
  }
  return { runs, asks }
}

test('who borrows in its group takes back what others borrow of the group, as long as that holds no more than its own', () => {
  const { runs, asks } = aLine()
  runs('a', 4)
  runs('c', 12)
  assert.deepEqual(asks('a', 4), ['c', 'c', 'c', 'c'])
  assert.deepEqual(asks('a', 1), [])
})

test('who borrows in its group takes back nothing inside of it', () => {
  const { runs, asks } = aLine()
  runs('a', 4)
  runs('b', 6)
  runs('c', 6)
  // The group holds ten of its eight.
  assert.deepEqual(asks('a', 1), [])
})

test('who holds less than its own takes back what others borrow, inside of its group and outside', () => {
  const { runs, asks } = aLine()
  runs('c', 7)
  runs('b', 9)
  assert.deepEqual(asks('d', 2), ['b', 'c'])
})

test('nothing is taken back from a group that holds no more than its own, whatever those in it borrow of each other', () => {
  const { runs, asks } = aLine()
  runs('b', 8)
  runs('c', 8)
  assert.deepEqual(asks('a', 1), ['b'])
})
