import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createCell } from '#engine/cell/cell.ts'
import { setUsable } from '#engine/cell/nodes.ts'
import { planOf } from '#engine/cell/plan.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Decision } from '#engine/queue/request.ts'

const nodeClass = { shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }

function requestOf(id: string, gang: GangRequest, since = 0) {
  const gpu = gang.roles.reduce((sum, { size, ranks }) => sum + ranks * (size.accelerators ?? 0), 0)
  const want = { key: id, project: 'a', priority: 0, options: [{ cell: 0, gang, amounts: { gpu } }] }
  return { id, want, since, lastsMs: Infinity }
}

/** Racks of so many nodes with four accelerators, and one project without a quota. */
function aLine(racks: number[], movesPerHour: number) {
  const plan = planOf(
    racks.flatMap((count, rack) =>
      Array.from({ length: count }, (_, i) => ({ name: `n${rack}-${i}`, path: [`rack ${rack}`], nodeClass })),
    ),
  ).plan
  const cell = createCell(plan)
  const quotas = [{ name: 'a', parent: null, nominal: {}, borrowing: {}, lending: {} }]
  const shares = createShares({
    nodes: [{ name: 'a', parent: null, weight: 1 }],
    capacity: { gpu: 4 * plan.classOf.length },
    halfLifeMs: 0,
  })
  const line = new Line({ cells: [cell], quotas, shares, overdueMs: 1e9, movesPerHour })
  const runs = (id: string, gang: GangRequest, ranks: number[]) =>
    line.adopt(requestOf(id, gang), { option: 0, ends: Infinity, since: 0, ranks, spares: [] }, 0)
  return { line, cell, runs, comes: (id: string, gang: GangRequest) => line.submit(requestOf(id, gang)) }
}

const gangOf = (ranks: number, accelerators: number, within?: number): GangRequest => ({
  roles: [{ size: { accelerators }, ranks }],
  ...(within !== undefined && { within: { level: within } }),
})

const movesOf = (decision: Decision | undefined) =>
  decision && 'refused' in decision && decision.refused.cause === 'moves' ? decision.refused : null

test('the fewest are moved that free a domain, which is kept for the gang, and have room elsewhere', () => {
  const { line, runs, comes } = aLine([2, 2, 2], 2)
  runs('small', gangOf(1, 2), [0])
  runs('large', gangOf(1, 4), [2])
  runs('part', gangOf(1, 1), [4])
  comes('pair', gangOf(2, 4, 1))
  const moves = movesOf(line.turn(10)[0])
  assert.deepEqual([moves?.victims, moves?.nodes], [['part'], [4, 5]])
  line.ended('part', 20)
  comes('part', gangOf(1, 1))
  assert.deepEqual(
    line.turn(20).map((one) => ('ranks' in one ? [one.id, one.ranks] : one)),
    [
      ['pair', [4, 5]],
      ['part', [0]],
    ],
  )
})

test('nobody is moved who would have no room elsewhere, and not more than so many in an hour', () => {
  const { line, runs, comes } = aLine([2, 2], 1)
  for (const [i, node] of [0, 1, 2, 3].entries()) runs(`r${i}`, gangOf(1, 3), [node])
  comes('pair', gangOf(2, 4, 1))
  assert.equal(movesOf(line.turn(10)[0]), null)
  line.ended('r0', 20)
  line.ended('r2', 20)
  line.reconsider('pair')
  assert.deepEqual(movesOf(line.turn(20)[0])?.victims, ['r3'])
  line.ended('r3', 30)
  line.turn(30)
  comes('other', gangOf(2, 4, 1))
  assert.equal(movesOf(line.turn(31)[0]), null)
})

test('after moves all that were asked to move have room beside the gang for whom they did', () => {
  let moved = 0
  const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 7 })), { maxLength: 8 })
  fc.assert(
    fc.property(sizes, (parts) => {
      const { line, runs, comes } = aLine([2, 3, 3], 8)
      const free = Array.from({ length: 8 }, () => 4)
      const sizeOf = new Map<string, number>()
      for (const [i, [size, node]] of parts.entries()) {
        if ((free[node] ?? 0) < size) continue
        free[node] = (free[node] ?? 0) - size
        sizeOf.set(`r${i}`, size)
        runs(`r${i}`, gangOf(1, size), [node])
      }
      comes('gang', gangOf(3, 4, 1))
      const moves = movesOf(line.turn(10)[0])
      if (!moves) return
      moved++
      assert.ok(moves.victims.length > 0)
      for (const id of moves.victims) line.ended(id, 11)
      for (const id of moves.victims) comes(id, gangOf(1, sizeOf.get(id) ?? 0))
      assert.equal(line.turn(11).filter((one) => 'ranks' in one).length, 1 + moves.victims.length)
    }),
    { seed: 31, numRuns: 300 },
  )
  assert.ok(moved > 50, `only ${moved} moves`)
})

test('a bad node is replaced in its domain, by a spare one first, and never by one that is kept for others', () => {
  const { line, cell, runs, comes } = aLine([3, 3], 0)
  runs('pair', gangOf(2, 4, 1), [0, 1])
  runs('other', gangOf(3, 4), [3, 4, 5])
  comes('wide', gangOf(3, 4, 1))
  line.turn(1)
  setUsable(cell, { first: 1, end: 2, usable: false })
  line.changed(0)
  assert.equal(line.repair('pair', 1), 2)
  line.ended('other', 5)
  assert.deepEqual(
    line.turn(5).map((one) => 'ranks' in one && one.ranks),
    [[3, 4, 5]],
  )
  setUsable(cell, { first: 0, end: 1, usable: false })
  line.changed(0)
  assert.equal(line.repair('pair', 0), null)
  assert.equal(line.repair('nobody', 0), null)
})
