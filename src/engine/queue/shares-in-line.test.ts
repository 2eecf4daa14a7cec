import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createCell, type CellPlan, type NodeClass } from '#engine/cell/cell.ts'
import { hasWay, wrongOn, type Books } from '#engine/cell/share-books.ts'

import { Line } from './line.ts'
import { createShares } from './share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { RankSize } from '#engine/cell/sizes.ts'
import type { Decision } from './request.ts'

const nodeClass = (accelerators: number): NodeClass => ({
  shape: `x${accelerators}`,
  accelerator: 'H100',
  acceleratorMemoryMiB: 81_559,
  accelerators,
  cpuMilli: 8,
  memoryMiB: 8,
  diskMiB: 0,
})
const planOf = (accelerators: number[]): CellPlan => ({
  classes: accelerators.map(nodeClass),
  classOf: accelerators.map((_, node) => node),
  domains: [],
})

function aLine(plan: CellPlan) {
  const none = { borrowing: {}, lending: {} }
  const quotas = [{ name: 'a', parent: null, nominal: {}, ...none }]
  const shares = createShares({
    nodes: [{ name: 'a', parent: null, weight: 1 }],
    capacity: { accelerators: 2000 },
    halfLifeMs: 0,
  })
  const preemption = new Map([['a', { within: 'lower-priority' as const, reclaim: 'never' as const, perHour: null }]])
  const line = new Line({ cells: [createCell(plan)], quotas, shares, overdueMs: 1e9, preemption })
  return line
}

const wantOf = (gang: GangRequest, priority = 0) => ({
  key: JSON.stringify([gang, priority]),
  project: 'a',
  priority,
  options: [{ cell: 0, gang, amounts: { accelerators: sizeOf(gang) } }],
})
const sizeOf = ({ roles }: GangRequest): number =>
  roles.reduce((sum, { size, ranks }) => sum + ranks * (size.share ?? 1000), 0)

const one = (size: RankSize): GangRequest => ({ roles: [{ size, ranks: 1 }] })
const started = (decisions: Decision[]) => decisions.flatMap((each) => ('ranks' in each ? [each] : []))

test('a share is placed as anything else is, and its place is told; who runs with one is taken over', () => {
  const line = aLine(planOf([2]))
  const half = wantOf(one({ share: 500 }))
  line.adopt(
    { id: 'runs', want: half, since: 0, lastsMs: 9 },
    { option: 0, ranks: [0], spares: [], devices: [{ device: 1, start: 0 }], ends: 9 },
    0,
  )
  for (const id of ['x', 'y', 'z', 'none']) line.submit({ id, want: half, since: 0, lastsMs: 9 })
  assert.deepEqual(
    started(line.turn(1)).map(({ id, devices }) => [id, devices?.[0]?.device]),
    [
      ['x', 1],
      ['y', 0],
      ['z', 0],
    ],
  )
  line.ended('runs', 9)
  assert.deepEqual(
    started(line.turn(9)).map(({ id, devices }) => [id, devices?.[0]?.device]),
    [['none', 1]],
  )
})

test('a share leaves for whom it may have to, alone if it is enough', () => {
  const line = aLine(planOf([2]))
  const half = wantOf(one({ share: 500 }))
  for (const id of ['x', 'y']) line.submit({ id, want: half, since: 0, lastsMs: Infinity })
  assert.equal(started(line.turn(0)).length, 2)
  line.submit({ id: 'z', want: half, since: 3, lastsMs: Infinity })
  assert.equal(started(line.turn(3)).length, 1)
  line.submit({ id: 'whole', want: wantOf(one({ accelerators: 1 }), 1), since: 5, lastsMs: Infinity })
  const victims = line
    .turn(5)
    .flatMap((each) => ('refused' in each && each.refused.cause === 'preempts' ? each.refused.victims : []))
  assert.deepEqual(victims, ['z'])
  line.ended('z', 6)
  assert.deepEqual(
    started(line.turn(6)).map(({ id }) => id),
    ['whole'],
  )
})

const sizes = fc.oneof(
  fc.record({ share: fc.constantFrom(300, 500, 700), cpuMilli: fc.nat(3) }),
  fc.record({ profile: fc.constantFrom('1g.10gb', '2g.20gb', '3g.40gb', '4g.40gb') }),
  fc.record({ accelerators: fc.integer({ min: 1, max: 2 }) }),
)
const comers = fc.array(
  fc.record({ after: fc.nat(3), lasts: fc.integer({ min: 1, max: 9 }), size: sizes, ranks: fc.constantFrom(1, 1, 2) }),
  { maxLength: 25 },
)

test('whoever has a way starts, unless it is kept for somebody who has none, among shares, slices and whole ones', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 3 }), comers, (nodes, all) => {
      const plan = planOf(nodes)
      const line = aLine(plan)
      const books: Books = { plan, held: new Map() }
      const waiting = new Map<string, GangRequest>()
      const ends = new Map<number, { id: string; at: number }>()
      const lasts = new Map<string, number>()
      const turn = (now: number): void => {
        for (const { id, gang, ranks, devices } of started(line.turn(now))) {
          const request = waiting.get(id)
          assert.ok(request)
          waiting.delete(id)
          books.held.set(gang, { request, ranks, devices })
          ends.set(gang, { id, at: now + (lasts.get(id) ?? 0) })
        }
        for (const node of nodes.keys()) assert.deepEqual(wrongOn(books, node), [])
        const promised = line.reservations().map(({ request }) => request.id)
        for (const [id, request] of waiting)
          if (hasWay(books, request)) assert.ok(promised.length > 0 && !promised.includes(id), `${id} could start`)
      }
      const endUntil = (now: number): void => {
        for (const [gang, { id, at }] of [...ends].sort(([, a], [, b]) => a.at - b.at)) {
          if (at > now) continue
          ends.delete(gang)
          books.held.delete(gang)
          line.ended(id, at)
          turn(at)
        }
      }
      let now = 0
      for (const [i, { after, lasts: lastsMs, size, ranks }] of all.entries()) {
        now += after
        endUntil(now)
        const gang = { roles: [{ size, ranks }] }
        if (!hasWay({ plan, held: new Map() }, gang)) continue
        lasts.set(`${i}`, lastsMs)
        waiting.set(`${i}`, gang)
        line.submit({ id: `${i}`, want: wantOf(gang), since: now, lastsMs })
        turn(now)
      }
      endUntil(now + 1000)
      for (let end = now + 1000; ends.size > 0; end += 1000) endUntil(end)
      assert.equal(waiting.size, 0)
    }),
    { numRuns: 150 },
  )
})
