import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { planOf } from '#engine/cell/plan.ts'

import { Line } from './line.ts'
import { createShares } from './share.ts'

import type { Decision } from './request.ts'

const minute = 60_000
const plan = planOf(
  [4, 8, 8].map((accelerators, i) => ({
    name: `n${i}`,
    path: [],
    nodeClass: { shape: `x${accelerators}`, accelerators, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 },
  })),
).plan

const node = (name: string) => ({ name, parent: null, nominal: {}, borrowing: {}, lending: {} })

/** A node of 4 and two of 8, and two projects of which one may have its own work of lower priority leave. */
const someNodes = (): Line =>
  new Line({
    cells: [createCell(plan)],
    quotas: [node('a'), node('b')],
    shares: createShares({
      nodes: ['a', 'b'].map((name) => ({ name, parent: null, weight: 1 })),
      capacity: {},
      halfLifeMs: minute,
    }),
    overdueMs: 100 * minute,
    preemption: new Map([['a', { within: 'lower-priority', reclaim: 'never', perHour: null }]]),
    patienceMs: minute,
  })

type Asked = { project?: string; priority?: number; ranks?: number; accelerators?: number; lastsMs: number }

const aRequest = (id: string, { project = 'a', priority = 0, ranks = 2, accelerators = 8, lastsMs }: Asked) => ({
  id,
  want: {
    key: id,
    project,
    priority,
    options: [{ cell: 0, gang: { roles: [{ size: { accelerators }, ranks }] }, amounts: {} }],
  },
  since: 0,
  lastsMs,
})

const told = (decisions: Decision[]) =>
  decisions.map((one) => `${one.id} ${'refused' in one ? one.refused.cause : 'starts'}`)

/** Somebody of low priority runs on the two large nodes and ends after so long; somebody urgent came at 0. */
function aLine(lastsMs: number): Line {
  const line = someNodes()
  line.submit(aRequest('low', { lastsMs }))
  assert.deepEqual(told(line.turn(0)), ['low starts'])
  line.submit(aRequest('urgent', { priority: 9, lastsMs: minute }))
  return line
}

test('nobody has to leave for who starts by itself within its patience', () => {
  const line = aLine(minute)
  assert.deepEqual(told(line.turn(0)), ['urgent room'])
  line.ended('low', minute)
  assert.deepEqual(told(line.turn(minute)), ['urgent starts'])
})

test('who waits again, having run before, has its patience again', () => {
  const line = someNodes()
  line.submit(aRequest('low', { lastsMs: 10 * minute }))
  line.turn(0)
  const request = aRequest('urgent', { priority: 9, lastsMs: minute })
  line.submit({ ...request, waitsSince: 9.5 * minute })
  assert.deepEqual(told(line.turn(9.5 * minute)), ['urgent room'])
})

test('who would wait for longer, or nobody knows how long, does not wait at all', () => {
  for (const ends of [minute + 1, Infinity]) assert.deepEqual(told(aLine(ends).turn(0)), ['urgent preempts'])
})

test('where somebody runs for longer than was known the other waits no longer', () => {
  const line = aLine(minute / 2)
  assert.deepEqual(told(line.turn(0)), ['urgent room'])
  assert.deepEqual(told(line.turn(minute / 2)), [])
  assert.deepEqual(told(line.turn(minute / 2 + 1)), ['urgent preempts'])
})

test('who waited as long as its patience is asked again, though nothing changed', () => {
  const line = someNodes()
  line.submit(aRequest('large', { lastsMs: 9 * minute }))
  line.submit(aRequest('small', { ranks: 1, accelerators: 4, lastsMs: minute / 3 }))
  assert.deepEqual(told(line.turn(0)), ['large starts', 'small starts'])
  // Nobody may leave for this one; it is promised the large nodes in nine minutes, and nobody else is promised any.
  line.submit(aRequest('other', { project: 'b', priority: 20, lastsMs: minute }))
  line.submit(aRequest('urgent', { priority: 9, ranks: 1, accelerators: 4, lastsMs: minute / 3 }))
  assert.deepEqual(told(line.turn(0)), ['other room', 'urgent room'])
  assert.equal(line.looksAgainAt(), minute)
  assert.deepEqual(told(line.turn(minute - 1)), [])
  assert.deepEqual(told(line.turn(minute)), ['urgent preempts'])
  assert.equal(line.looksAgainAt(), Infinity)
})
