import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createHeap } from '#kit/heap.ts'

import { Elders } from './elders.ts'
import { isOlder } from './order.ts'
import { Ready } from './ready.ts'
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
    size: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 1, maxLength: 20 },
)

test('each time it gives who goes before all others, while those who start change shares and what is left of quotas', () => {
  fc.assert(
    fc.property(
      heads,
      fc.record({ halfLifeMs: fc.constantFrom(0, 7), isTold: fc.boolean() }),
      fc.array(fc.boolean()),
      (all, { halfLifeMs, isTold }, starts) => {
        const shares = createShares({ nodes, capacity: { gpu: 64 }, halfLifeMs })
        for (const [i, name] of projects.entries()) shares.change(name, { gpu: i }, i)
        const now = 25
        const elders = new Elders(1, 20)
        const own = new Map(projects.map((name, i) => [name, isTold ? 2 * i : Infinity]))
        const borrows = ({ want: { key, project } }: Pick<Signature, 'want'>) =>
          (all[Number(key)]?.size ?? 0) > (own.get(project) ?? 0)
        const ready = new Ready({ now, shares, elders, isIn: () => true, borrows: isTold ? borrows : undefined })
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
          const waiting = left.map(({ head }) => head)
          const byDefinition = firstOf(waiting, { now, shares, borrows })
          const first = oldest.head.since + 20 <= now ? oldest : left.find(({ head }) => head === byDefinition)
          assert.ok(first)
          assert.equal(ready.next(), first.signature)
          left.splice(left.indexOf(first), 1)
          first.signature.row.pop()
          const elder = elders.of(0, now)
          if (elder) ready.add(elder)
          const { project } = first.head.want
          if (!starts.pop()) continue
          shares.change(project, { gpu: 3 }, now)
          own.set(project, (own.get(project) ?? 0) - (all[first.head.order]?.size ?? 0))
        }
        assert.equal(ready.next(), null)
      },
    ),
    { seed: 9, numRuns: 500 },
  )
})

type Facts = { now: number; shares: Shares; borrows: (one: { want: Waiting['want'] }) => boolean }

/** The order by definition: the first of each project, and of these the first. */
function firstOf(all: readonly Waiting[], facts: Facts): Waiting | undefined {
  const { shares, now, borrows } = facts
  const firsts = [...Map.groupBy(all, ({ want }) => want.project).values()].flatMap((own) => {
    const [first] = own.toSorted((a, b) => (goesBefore(a, b, now) ? -1 : 1))
    if (!first) return []
    return [{ first, borrows: !borrows(first) ? 0 : own.every(borrows) ? 2 : 1 }]
  })
  firsts.sort(
    (a, b) =>
      a.borrows - b.borrows ||
      b.first.want.priority - a.first.want.priority ||
      shares.compare(a.first.want.project, b.first.want.project, now),
  )
  return firsts[0]?.first
}

/** … and the order within a project. */
function goesBefore(a: Waiting, b: Waiting, now: number): boolean {
  if (a.want.priority !== b.want.priority) return a.want.priority > b.want.priority
  const ratio = ({ since, lastsMs }: Waiting) => (now - since) / Math.min(lastsMs, 86_400_000)
  return ratio(a) === ratio(b) ? isOlder(a, b) : ratio(a) > ratio(b)
}
