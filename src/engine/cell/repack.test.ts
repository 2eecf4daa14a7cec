import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { askOf } from './ask.ts'
import { createCell } from './cell.ts'
import { nodesOf } from './heads.ts'
import { findMove, makeMove } from './repack.ts'
import { hasWay, wrongOn } from './share-books.ts'
import { beginSharing } from './sizes.ts'
import { adopt, release, take } from './take.ts'

import type { Ask } from './ask.ts'
import type { Cell, CellPlan, NodeClass } from './cell.ts'
import type { Books, Held } from './share-books.ts'
import type { RankSize } from './sizes.ts'

const classes: NodeClass[] = ['T4', 'H100'].flatMap((accelerator) =>
  [1, 2].map((accelerators) => ({
    shape: `${accelerators} ${accelerator}`,
    accelerator,
    acceleratorMemoryMiB: 81_559,
    accelerators,
    cpuMilli: 6,
    memoryMiB: 9,
    diskMiB: 0,
  })),
)
const plans: fc.Arbitrary<CellPlan> = fc
  .array(fc.nat(3), { minLength: 1, maxLength: 4 })
  .map((classOf) => ({ classes, classOf, domains: [] }))
const isT4 = ({ accelerator }: NodeClass): boolean => accelerator === 'T4'
const sizes: fc.Arbitrary<RankSize> = fc.oneof(
  fc.record({
    share: fc.constantFrom(200, 500, 600),
    cpuMilli: fc.nat(3),
    allows: fc.constantFrom(undefined, isT4),
  }),
  fc.record({ accelerators: fc.constant(1), cpuMilli: fc.nat(3), allows: fc.constantFrom(undefined, isT4) }),
  fc.record({ profile: fc.constantFrom('1g.10gb', '3g.40gb', '4g.40gb'), cpuMilli: fc.nat(2) }),
)

type World = { cell: Cell; books: Books; refused: Ask[] }
const requestOf = (size: RankSize) => ({ roles: [{ size, ranks: 1 }] })

/** A cell with all of the ranks that had room, and those that had none. */
function filled(plan: CellPlan, all: readonly RankSize[]): World & { requests: Map<Ask, Held['request']> } {
  const cell = createCell(plan)
  beginSharing(cell)
  const requests = new Map<Ask, Held['request']>()
  const world: World = { cell, books: { plan, held: new Map() }, refused: [] }
  for (const size of all) {
    const ask = askOf(cell, requestOf(size))
    requests.set(ask, requestOf(size))
    const gang = take(cell, ask)
    if (gang < 0) world.refused.push(ask)
    else world.books.held.set(gang, { request: requestOf(size), ...nodesOf(cell, gang) })
  }
  return { ...world, requests }
}

/** Whether some one gang can go to another node and let somebody in where it stood: each is tried with each node. */
function movable({ books }: World, request: Held['request']): boolean {
  return [...books.held].some(([gang, held]) => {
    const [node = -1] = held.ranks
    const elsewhere = Array.from(books.plan.classOf, (_, n) => n).some(
      (n) => n !== node && hasRoom(books, n, held.request),
    )
    return elsewhere && hasRoom({ ...books, held: without(books.held, gang) }, node, request)
  })
}

const without = (held: Books['held'], gang: number) => new Map([...held].filter(([each]) => each !== gang))

/** Whether a request has room on one node, when all others are closed. */
function hasRoom({ plan, held }: Books, node: number, request: Held['request']): boolean {
  const nothing = { shape: 'nothing', accelerators: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
  const classOf = Array.from(plan.classOf, (c, n) => (n === node ? c : plan.classes.length))
  const size: RankSize = request.roles[0]?.size ?? {}
  const limited = { ...size, allows: (c: NodeClass) => c !== nothing && (size.allows?.(c) ?? true) }
  const here = new Map([...held].filter(([, { ranks }]) => ranks.includes(node)))
  return hasWay({ plan: { ...plan, classes: [...plan.classes, nothing], classOf }, held: here }, requestOf(limited))
}

/** What was judged for the first time while somebody was away for a trial was remembered as it was then. */
const tried: [CellPlan, RankSize[]] = [
  { classes, classOf: [3, 2, 1], domains: [] },
  [
    { share: 500, cpuMilli: 0 },
    { share: 500, cpuMilli: 2, allows: isT4 },
    { profile: '4g.40gb', cpuMilli: 0 },
    { share: 200, cpuMilli: 3 },
    { accelerators: 1, cpuMilli: 2 },
    { profile: '3g.40gb', cpuMilli: 0 },
    { profile: '1g.10gb', cpuMilli: 0 },
  ],
]

test('a move is found when there is one, tried out without a trace, and makes the room it promised', () => {
  fc.assert(
    fc.property(plans, fc.array(sizes, { maxLength: 14 }), (plan, all) => {
      const world = filled(plan, all)
      const { cell, books, refused, requests } = world
      for (const ask of refused) {
        const request = requests.get(ask)
        if (!request || hasWay(books, request)) continue // an earlier move made room for it too
        const before = structuredClone({ free: cell.free, devices: cell.sharing?.devices })
        const move = findMove(cell, books.held.keys(), ask)
        assert.deepEqual({ free: cell.free, devices: cell.sharing?.devices }, before)
        assert.equal(move !== null, movable(world, request))
        if (!move) continue
        const gang = makeMove(cell, move, ask)
        assert.ok(gang >= 0)
        const moved = books.held.get(move.gang)
        assert.ok(moved)
        books.held.set(move.gang, { request: moved.request, ...nodesOf(cell, move.gang) })
        books.held.set(gang, { request, ...nodesOf(cell, gang) })
        assert.equal(nodesOf(cell, move.gang).ranks[0], move.to)
        for (let node = 0; node < plan.classOf.length; node++) assert.deepEqual(wrongOn(books, node), [])
      }
      for (const gang of books.held.keys()) release(cell, gang)
      assert.deepEqual(cell.free, createCell(plan).free)
    }),
    { numRuns: 200, examples: [tried] },
  )
})

test('the lighter of two that stand in the way goes, and what waits stands where it was', () => {
  const cell = createCell({ classes, classOf: [0, 2], domains: [] })
  const stand = (share: number, node: number) =>
    adopt(cell, askOf(cell, requestOf({ share })), { ranks: [node], spares: [], devices: [{ device: 0, start: 0 }] })
  const going = stand(200, 0)
  stand(500, 1)
  const waiting = askOf(cell, requestOf({ accelerators: 1, cpuMilli: 1, allows: isT4 }))
  assert.deepEqual(findMove(cell, [going], waiting), { gang: going, to: 1 })
  assert.deepEqual(nodesOf(cell, makeMove(cell, { gang: going, to: 1 }, waiting)).ranks, [0])
})
