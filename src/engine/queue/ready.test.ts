import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createHeap } from '#kit/heap.ts'

import { Elders } from './elders.ts'
import { isOlder } from './order.ts'
import { createReady } from './ready.ts'
import { createShares } from './share.ts'

import type { Signature, Waiting } from './request.ts'
import type { Shares } from './share.ts'

const projects = ['g/a', 'g/b', 'g', 'h', 'h/a']
const nodes = projects.map((name) => ({ name, parent: name.includes('/') ? name.charAt(0) : null, weight: 1 }))
const heads = fc.array(
  fc.record({
    project: fc.constantFrom(...projects),
    priority: fc.nat({ max: 1 }),
    since: fc.nat({ max: 20 }),
    lastsMs: fc.constantFrom(1, 5, Infinity),
  }),
  { minLength: 1, maxLength: 20 },
)

test('each time it gives who goes before all others, while those who start change the shares', () => {
  fc.assert(
    fc.property(heads, fc.constantFrom(0, 7), fc.array(fc.boolean()), (all, halfLifeMs, starts) => {
      const shares = createShares({ nodes, capacity: { gpu: 64 }, halfLifeMs })
      for (const [i, name] of projects.entries()) shares.change(name, { gpu: i }, i)
      const now = 25
      const elders = new Elders(1, 20)
      const ready = createReady({ now, shares, elders, isIn: () => true })
      const left = all.map(({ project, priority, since, lastsMs }, order) => {
        const want = { key: String(order), project, priority, options: [] }
        const head: Waiting = { id: String(order), want, since, lastsMs, order, gone: false }
        const row = createHeap<Waiting>(isOlder)
        row.push(head)
        const signature: Signature = {
          want,
          ways: [],
          cells: [0],
          row,
          asleep: null,
          reservation: null,
          hopeless: false,
          aged: null,
        }
        elders.add(signature)
        return { signature, head }
      })
      for (const { signature } of left) ready.add(signature)
      while (left.length > 0) {
        const oldest = left.reduce((a, b) => (isOlder(b.head, a.head) ? b : a))
        const first =
          oldest.head.since + 20 <= now
            ? oldest
            : left.reduce((a, b) => (goesBefore(b.head, a.head, { now, shares }) ? b : a))
        assert.equal(ready.next(), first.signature)
        left.splice(left.indexOf(first), 1)
        first.signature.row.pop()
        const elder = elders.of(0, now)
        if (elder) ready.add(elder)
        if (starts.pop()) shares.change(first.head.want.project, { gpu: 3 }, now)
      }
      assert.equal(ready.next(), null)
    }),
    { seed: 9, numRuns: 500 },
  )
})

/** The order by definition. */
function goesBefore(a: Waiting, b: Waiting, { now, shares }: { now: number; shares: Shares }): boolean {
  if (a.want.priority !== b.want.priority) return a.want.priority > b.want.priority
  const byShare = shares.compare(a.want.project, b.want.project, now)
  if (byShare !== 0) return byShare < 0
  const ratio = ({ since, lastsMs }: Waiting) => (now - since) / Math.min(lastsMs, 86_400_000)
  return ratio(a) === ratio(b) ? isOlder(a, b) : ratio(a) > ratio(b)
}
