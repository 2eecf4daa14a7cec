import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createHeap } from '#kit/heap.ts'

import { goesBefore, isOlder } from './order.ts'
import { createReady } from './ready.ts'
import { createShares } from './share.ts'

import type { Signature, Waiting } from './request.ts'

const projects = ['g/a', 'g/b', 'g', 'h', 'h/a']
const nodes = projects.map((name) => ({ name, parent: name.includes('/') ? name.charAt(0) : null, weight: 1 }))
const heads = fc.array(
  fc.record({ project: fc.constantFrom(...projects), priority: fc.nat({ max: 1 }), since: fc.nat({ max: 20 }) }),
  { minLength: 1, maxLength: 20 },
)

test('each time it gives who goes before all others, while those who start change the shares', () => {
  fc.assert(
    fc.property(heads, fc.constantFrom(0, 7), fc.array(fc.boolean()), (all, halfLifeMs, starts) => {
      const shares = createShares({ nodes, capacity: { gpu: 64 }, halfLifeMs })
      for (const [i, name] of projects.entries()) shares.change(name, { gpu: i }, i)
      const rules = { now: 25, overdueMs: 20, shares }
      const ready = createReady(rules)
      const left = all.map(({ project, priority, since }, order) => {
        const want = { key: String(order), project, priority, options: [] }
        const head: Waiting = { id: String(order), want, since, lastsMs: 1, order, gone: false }
        const row = createHeap<Waiting>(isOlder)
        row.push(head)
        const signature: Signature = {
          want,
          ways: [],
          cells: [],
          row,
          asleep: null,
          reservation: null,
          hopeless: false,
        }
        ready.add(signature)
        return { signature, head }
      })
      while (left.length > 0) {
        const first = left.reduce((a, b) => (goesBefore(b.head, a.head, rules) ? b : a))
        assert.equal(ready.next(), first.signature)
        left.splice(left.indexOf(first), 1)
        if (starts.pop()) shares.change(first.head.want.project, { gpu: 3 }, rules.now)
      }
      assert.equal(ready.next(), null)
    }),
    { seed: 9, numRuns: 500 },
  )
})
