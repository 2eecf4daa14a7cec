import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Decision } from '#model/plan.ts'
import { createUntold } from './untold.ts'

const refused = (workload: string, fields: Partial<Decision> = {}): Decision => ({
  workload,
  replica: 0,
  placement: null,
  alternatives: [],
  rejections: [],
  refusal: { cause: 'capacity', text: 'no room', next: [] },
  ...fields,
})

const namesOf = (decisions: Decision[]): string[] => decisions.map(({ workload }) => workload)

test('why others wait is written after a moment, who is to leave with the decision, and nothing of who starts', () => {
  const untold = createUntold()
  untold.add([refused('a'), refused('b')])
  untold.forget([refused('b')])
  assert.deepEqual(namesOf(untold.take(0, 0)), ['a'])
  untold.add([refused('c'), refused('d', { preempts: [] })])
  assert.deepEqual(namesOf(untold.take(1, 0)), ['d'])
  assert.equal(untold.at(), 50)
  assert.deepEqual(namesOf(untold.take(50, 0)), ['c'])
  assert.equal(untold.at(), null)
})

test('beside starts only a few are written, who was promised a start first', () => {
  const untold = createUntold()
  const start = { earliest: 1, at: 2, site: 'local/west', order: 1 }
  untold.add(Array.from({ length: 100 }, (_, i) => refused(`w${i}`)))
  untold.add([refused('promised', { refusal: { cause: 'capacity', text: 'no room', next: [], start } })])
  const first = namesOf(untold.take(0, 3))
  assert.deepEqual([first[0], first.length], ['promised', 32])
  assert.equal(untold.take(60, 3).length, 0)
  assert.equal(untold.take(60, 0).length, 69)
})
