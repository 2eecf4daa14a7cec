import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Request } from '#engine/queue/request.ts'

import { LineHistory } from './line-history.ts'

const node = { shape: 'x8', accelerators: 8, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
const quotas = ['a', 'b'].map((name) => ({ name, parent: null, nominal: {}, borrowing: {}, lending: {} }))
const world = { plans: [{ classes: [node], classOf: [0, 0], domains: [] }], quotas, overdueMs: 1000, terms: new Map() }

const request = (id: string, accelerators: number): Request => ({
  id,
  since: 0,
  lastsMs: 10,
  want: {
    key: `${accelerators}`,
    project: 'a',
    priority: 0,
    options: [{ cell: 0, gang: { roles: [{ size: { accelerators }, ranks: 1 }] }, amounts: { gpu: accelerators } }],
  },
})

function begun(): LineHistory {
  const history = new LineHistory(world)
  for (const id of ['one', 'two']) history.note({ at: 0, submitted: request(id, 6) })
  history.note({ at: 0, started: 'one', option: 0, ranks: [0] })
  return history
}

test('what happened in a queue is checked when it is closed, and without quotas nobody is limited', () => {
  const right = begun()
  right.note({ at: 0, started: 'two', option: 0, ranks: [1] })
  assert.doesNotThrow(() => right.close())
  const wrong = begun()
  wrong.note({ at: 0, started: 'two', option: 0, ranks: [0] })
  assert.throws(() => wrong.close(), { name: 'BrokenRule', message: 'node 0/0 is used twice' })
  assert.doesNotThrow(() => wrong.close(), 'it is checked once')
})

test('it is checked by itself when there is as much as can be checked in no time, and takes no more', () => {
  const history = begun()
  history.note({ at: 0, submitted: request('three', 6) })
  history.note({ at: 0, promised: 'three', by: 5 })
  assert.throws(() => {
    for (let n = 0; history.isOpen; n++) {
      history.note({ at: 6, submitted: request(`n${n}`, 1) })
      if (n === 3000) history.note({ at: 6, started: 'three', option: 0, ranks: [1] })
    }
  }, /^BrokenRule: .*three/)
  assert.doesNotThrow(() => history.note({ at: 0, started: 'three', option: 0, ranks: [0] }))
})

test('who is preempted has to run, and the rules have to allow it', () => {
  const history = begun()
  history.note({ at: 1, preempts: 'two', option: 0, victims: ['one'] })
  assert.throws(() => history.close(), /^BrokenRule: two may not preempt one of its own project$/)
})

test('what the checker of preemption does not know is checked until somebody is preempted', () => {
  const history = new LineHistory({ ...world, quotas: quotas.map((one) => ({ ...one, nominal: { cpu: 9 } })) })
  history.note({ at: 0, preempts: 'two', option: 0, victims: ['one'] })
  assert.ok(!history.isOpen)
})
