import assert from 'node:assert/strict'
import { test } from 'node:test'

import { askOf } from './ask.ts'
import { createCell } from './cell.ts'
import { largestEmpty, largestFree, levelOf, nodesOf } from './heads.ts'
import { setForeign, setUsable } from './nodes.ts'
import { planOf } from './plan.ts'
import { replace } from './replace.ts'
import { refusals, release, take } from './take.ts'

import type { GangRequest } from './ask.ts'
import type { Cell, NodeClass } from './cell.ts'

const tray: NodeClass = { shape: 'tray', accelerators: 4, cpuMilli: 144_000, memoryMiB: 900_000, diskMiB: 0 }
const box: NodeClass = { shape: 'box', accelerators: 0, cpuMilli: 64_000, memoryMiB: 256_000, diskMiB: 0 }

/** Racks of so many trays, two racks in a block. */
function aCell(racks: number[], nodeClass = tray): Cell {
  const nodes = racks.flatMap((count, rack) =>
    Array.from({ length: count }, (_, i) => ({
      name: `n${rack}-${String(i).padStart(2, '0')}`,
      path: [`rack ${rack}`, `block ${rack >> 1}`],
      nodeClass,
    })),
  )
  return createCell(planOf(nodes).plan)
}

const whole = (ranks: number, more: Partial<GangRequest> = {}): GangRequest => ({
  roles: [{ size: { whole: true }, ranks }],
  ...more,
})
const taken = (cell: Cell, request: GangRequest): number[] => nodesOf(cell, take(cell, askOf(cell, request))).ranks

const isBox = ({ shape }: NodeClass): boolean => shape === 'box'

test('nodes come in the order of the tree, and kinds that say the same are one class', () => {
  const other = { ...tray, labels: { a: '1', b: '2' } }
  const same = { ...tray, labels: { b: '2', a: '1' } }
  const { plan, names } = planOf([
    { name: 'c', path: ['r2', 'b1'], nodeClass: tray },
    { name: 'b', path: ['r1', 'b2'], nodeClass: other },
    { name: 'a', path: ['r1', 'b1'], nodeClass: same },
    { name: 'd', path: [], nodeClass: tray },
  ])
  assert.deepEqual(names, ['d', 'a', 'c', 'b'])
  assert.deepEqual(plan.classOf, [0, 1, 0, 1])
  assert.deepEqual(plan.domains, [
    [0, 1, 2, 3],
    [0, 1, 1, 2],
  ])
})

test('a gang takes the rack that it fills best, and the large rack stays whole', () => {
  const cell = aCell([18, 6, 18, 18])
  assert.deepEqual(taken(cell, whole(5)), [18, 19, 20, 21, 22])
  assert.equal(largestFree(askOf(cell, whole(1)), 1), 18)
})

test('a gang that no rack holds takes whole racks and the best fit for what is left', () => {
  const cell = aCell([18, 6, 4, 4])
  const gang = take(cell, askOf(cell, whole(22)))
  assert.equal(levelOf(cell, gang), 2)
  assert.deepEqual(
    nodesOf(cell, gang).ranks,
    Array.from({ length: 22 }, (_, i) => i),
  )
})

test('slices stand in one rack each, and together in one block', () => {
  const cell = aCell([18, 18, 10, 3])
  const ranks = taken(cell, whole(24, { slices: { level: 1, ranks: 8 }, within: { level: 2 } }))
  assert.equal(ranks.filter((node) => node < 18).length % 8, 0)
  assert.ok(ranks.every((node) => node < 36))
  assert.equal(
    take(cell, askOf(cell, whole(16, { slices: { level: 1, ranks: 8 }, within: { level: 2 } }))),
    refusals.full,
  )
})

test('a balanced gang uses the fewest racks, as evenly as they allow', () => {
  const cell = aCell([18, 18])
  const ranks = taken(cell, whole(20, { balanced: 1 }))
  assert.equal(ranks.filter((node) => node < 18).length, 10)
})

test('a spread gang has no more in one rack than it was told', () => {
  const cell = aCell([18, 18, 18])
  const ranks = taken(cell, whole(9, { spread: { level: 1, most: 3 } }))
  assert.deepEqual(
    [0, 1, 2].map((rack) => ranks.filter((node) => Math.floor(node / 18) === rack).length),
    [3, 3, 3],
  )
})

test('nobody else enters an exclusive rack until it is given back', () => {
  const cell = aCell([4, 4])
  const alone = take(cell, askOf(cell, whole(2, { exclusive: 1 })))
  assert.equal(largestFree(askOf(cell, whole(1)), 3), 4)
  assert.equal(take(cell, askOf(cell, whole(5))), refusals.full)
  release(cell, alone)
  assert.equal(largestFree(askOf(cell, whole(1)), 3), 8)
})

test('a bad node is not replaced by one of a rack that others have to themselves', () => {
  const cell = aCell([2, 3])
  const gang = take(cell, askOf(cell, whole(2)))
  take(cell, askOf(cell, whole(2, { exclusive: 1 })))
  assert.equal(replace(cell, gang, 0), -1)
})

test('spare nodes of an exclusive gang, too, are in racks that nobody else uses', () => {
  const cell = aCell([4, 4])
  take(cell, askOf(cell, whole(1)))
  const request = whole(2, { exclusive: 1, spares: { level: 2, count: 2 } })
  const gang = take(cell, askOf(cell, request))
  assert.deepEqual(nodesOf(cell, gang), { ranks: [4, 5], spares: [6, 7] })
  assert.equal(take(cell, askOf(cell, request)), refusals.full)
})

test('spare nodes are held in each rack, and a bad node is replaced by one of them', () => {
  const cell = aCell([18, 18])
  const gang = take(cell, askOf(cell, whole(32, { spares: { level: 1, count: 2 } })))
  assert.deepEqual(nodesOf(cell, gang).spares, [16, 17, 34, 35])
  assert.equal(largestFree(askOf(cell, whole(1)), 0), 0)
  setUsable(cell, { first: 3, end: 4, usable: false })
  assert.equal(replace(cell, gang, 3), 16)
  assert.deepEqual(
    nodesOf(cell, gang).spares.toSorted((a, b) => a - b),
    [17, 34, 35],
  )
  assert.equal(nodesOf(cell, gang).ranks[3], 16)
  release(cell, gang)
  assert.equal(largestFree(askOf(cell, whole(1)), 3), 35)
})

test('a spare node that others have come to from beside is no place for who has its nodes to itself', () => {
  const cell = aCell([2])
  const size = { memoryMiB: 500_000 }
  const gang = take(cell, askOf(cell, { roles: [{ size, ranks: 1 }], exclusive: 0, spares: { level: 1, count: 1 } }))
  assert.deepEqual(nodesOf(cell, gang), { ranks: [0], spares: [1] })
  setForeign(cell, 1, { accelerators: 0, cpuMilli: 1000, memoryMiB: 0, diskMiB: 0 })
  assert.equal(replace(cell, gang, 0), -1)
  setForeign(cell, 1, { accelerators: 0, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 })
  assert.equal(replace(cell, gang, 0), 1)
})

test('without a spare node, a bad one is replaced in its own rack, or not at all', () => {
  const cell = aCell([5, 5])
  const gang = take(cell, askOf(cell, whole(4, { within: { level: 1 } })))
  assert.equal(replace(cell, gang, 0), 4)
  setUsable(cell, { first: 0, end: 1, usable: false })
  assert.equal(replace(cell, gang, 1), -1)
  assert.deepEqual(nodesOf(cell, gang).ranks, [4, 1, 2, 3])
})

test('a leader and its workers stand in one rack', () => {
  const nodes = ['r0', 'r1', 'r2'].flatMap((rack, r) =>
    Array.from({ length: 4 }, (_, i) => ({
      name: `${rack}-${i}`,
      path: [rack],
      nodeClass: i === 0 && r === 1 ? box : tray,
    })),
  )
  const cell = createCell(planOf(nodes).plan)
  const roles = [
    { size: { cpuMilli: 8000, allows: isBox }, ranks: 1 },
    { size: { whole: true }, ranks: 3 },
  ]
  assert.deepEqual(taken(cell, { roles, within: { level: 1 } }), [4, 5, 6, 7])
  assert.equal(take(cell, askOf(cell, { roles, within: { level: 1 } })), refusals.full)
})

test('roles are found room together even where the best place for the first bars the second', () => {
  const shapes = { a: [2, 4000], b: [1, 5000], c: [0, 100_000] }
  const nodes = Object.entries(shapes).map(([name, [accelerators = 0, cpuMilli = 0]]) => ({
    name,
    path: [name === 'c' ? 'other rack' : 'rack'],
    nodeClass: { ...box, shape: name, accelerators, cpuMilli },
  }))
  const { plan, names } = planOf(nodes)
  const sizes = [{ accelerators: 1, cpuMilli: 1000 }, { cpuMilli: 5000 }, { cpuMilli: 3000 }]
  const roles = sizes.map((size) => ({ size, ranks: 1 }))
  assert.deepEqual(
    taken(createCell(plan), { roles, within: { level: 1 } }).map((node) => names[node]),
    ['a', 'b', 'a'],
  )
})

test('a task goes where the least is left, though its memory does not fit the first nodes of that bucket', () => {
  const cell = aCell([100], { ...box, cpuMilli: 4000, memoryMiB: 1000 })
  const filler = askOf(cell, { roles: [{ size: { cpuMilli: 1000, memoryMiB: 990 }, ranks: 1 }] })
  const fillers = Array.from({ length: 100 }, () => take(cell, filler))
  release(cell, fillers[77] ?? -1)
  take(cell, askOf(cell, { roles: [{ size: { cpuMilli: 1000, memoryMiB: 1 }, ranks: 1 }] }))
  assert.deepEqual(taken(cell, { roles: [{ size: { cpuMilli: 500, memoryMiB: 900 }, ranks: 1 }] }), [77])
})

test('what could never fit is told apart from what does not fit now', () => {
  const cell = aCell([4, 4, 2])
  const ask = askOf(cell, whole(8, { within: { level: 2 } }))
  take(cell, askOf(cell, whole(3)))
  assert.equal(largestFree(ask, 2), 5)
  assert.equal(take(cell, ask), refusals.full)
  assert.equal(largestEmpty(ask, 2), 8)
  assert.equal(take(cell, askOf(cell, whole(9, { within: { level: 2 } }))), refusals.tooLarge)
})

test('a request that makes no sense is refused before anything is looked for', () => {
  const cell = aCell([4])
  const wrong: [GangRequest, RegExp][] = [
    [whole(0), /count/],
    [whole(5, { slices: { level: 1, ranks: 2 } }), /divide/],
    [whole(2, { within: { level: 9 } }), /level must be from 0 to 3/],
    [whole(2, { balanced: 1, spread: { level: 2, most: 1 } }), /balanced/],
    [{ roles: [{ size: {}, ranks: 1 }] }, /take something/],
  ]
  for (const [request, message] of wrong) assert.throws(() => askOf(cell, request), message)
  assert.throws(() => release(cell, 0), /no gang 0 is held/)
})

test('one task has room beside others who use too much of what it does not need, as several have', () => {
  const cell = createCell({ classes: [box], classOf: [0], domains: [] })
  const tasks = (size: GangRequest['roles'][number]['size'], ranks: number) =>
    take(cell, askOf(cell, { roles: [{ size, ranks }] }))
  tasks({ cpuMilli: 64_000 }, 1)
  setForeign(cell, 0, { accelerators: 0, cpuMilli: 1000, memoryMiB: 0, diskMiB: 0 })
  assert.ok(tasks({ memoryMiB: 1000 }, 1) >= 0)
  assert.ok(tasks({ memoryMiB: 1000 }, 2) >= 0)
  assert.equal(tasks({ cpuMilli: 1 }, 1), refusals.full)
})
