import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createSharedNodes, fits, type Share, type SharedNode } from './nodes.ts'
import type { Kind } from './pool.ts'
import { findMove, makeMove, type Standing } from './repack.ts'
import { createSharing, type Sharing } from './sharing.ts'

const someNodes = fc.array(
  fc.record({
    gpus: fc.integer({ min: 1, max: 3 }),
    cpuMilli: fc.integer({ min: 1000, max: 9000 }),
    memoryMiB: fc.constant(1000),
    model: fc.constantFrom('T4', 'A10'),
  }),
  { minLength: 1, maxLength: 4 },
)
const someShare: fc.Arbitrary<Share> = fc.record({
  gpus: fc.constant(1),
  milli: fc.constantFrom(200, 500, 600, 1000),
  cpuMilli: fc.integer({ min: 0, max: 4000 }),
  memoryMiB: fc.integer({ min: 0, max: 200 }),
  models: fc.constantFrom(undefined, ['T4']),
})

/** A pool with all of the shares that had room, and those that had none. */
function filled(list: readonly SharedNode[], shares: readonly Share[]) {
  const pool = createSharing(createSharedNodes(list))
  const standing: Standing[] = []
  const refused: Kind[] = []
  for (const share of shares) {
    const kind = pool.arrived(share)
    const node = pool.choose(kind)
    if (node < 0) refused.push(kind)
    else standing.push({ kind, node, gpus: pool.take(kind, node) })
  }
  return { pool, standing, refused }
}

const freeOf = ({ nodes }: Sharing) => [nodes.freeMilli, nodes.freeCpuMilli, nodes.freeMemoryMiB].map((a) => [...a])

const roomOn = (pool: Sharing, node: number, { allowed, share }: Kind): boolean =>
  allowed[pool.nodes.modelOf[node] ?? 0] === 1 && fits(pool.nodes, node, share)

/** Whether some one thing can go to another node and let a kind in where it stood: each is tried with each node. */
function movable(pool: Sharing, standing: readonly Standing[], kind: Kind): boolean {
  return standing.some((each) => {
    const elsewhere = pool.nodes.modelOf.some((_, node) => node !== each.node && roomOn(pool, node, each.kind))
    pool.giveBack(each.kind, each.node, each.gpus)
    const room = roomOn(pool, each.node, kind)
    pool.put(each.kind, each.node, each.gpus)
    return elsewhere && room
  })
}

test('a move is found when there is one, tried out without a trace, and makes the room it promised', () => {
  fc.assert(
    fc.property(someNodes, fc.array(someShare, { maxLength: 14 }), (list, shares) => {
      const { pool, standing, refused } = filled(list, shares)
      for (const kind of refused) {
        if (pool.choose(kind) >= 0) continue // an earlier move made room for it too
        const before = freeOf(pool)
        const possible = movable(pool, standing, kind)
        const move = findMove(pool, standing, kind)
        assert.deepEqual(freeOf(pool), before)
        assert.equal(move !== null, possible)
        if (!move) continue
        const { moved, placed } = makeMove(pool, move, kind)
        assert.notEqual(moved.node, placed.node)
        standing.splice(standing.indexOf(move.standing), 1, moved, placed)
        assert.ok(
          freeOf(pool)
            .flat()
            .every((free) => free >= 0),
        )
      }
      for (const { kind, node, gpus } of standing) pool.giveBack(kind, node, gpus)
      assert.deepEqual(freeOf(pool), freeOf(createSharing(createSharedNodes(list))))
    }),
  )
})

test('the lighter of two that stand in the way goes, and what waits stands where it was', () => {
  const node = { gpus: 1, cpuMilli: 8000, memoryMiB: 1000, model: 'T4' }
  const share = { gpus: 1, milli: 600, cpuMilli: 1000, memoryMiB: 0 }
  const light = { ...share, milli: 200 }
  const { pool, standing } = filled([node, { ...node, model: 'A10' }], [])
  const stand = (kind: Kind, where: number) => {
    const stands = { kind, node: where, gpus: 1 }
    pool.put(kind, where, 1)
    standing.push(stands)
    return stands
  }
  const going = stand(pool.kindOf(light), 0)
  stand(pool.kindOf({ ...share, milli: 500 }), 1)
  const waiting = pool.kindOf({ ...share, milli: 1000, models: ['T4'] })
  const move = findMove(pool, standing, waiting)
  assert.deepEqual(move, { standing: going, to: 1 })
  const { placed } = makeMove(pool, { standing: going, to: 1 }, waiting)
  assert.deepEqual(placed, { kind: waiting, node: 0, gpus: 1 })
})
