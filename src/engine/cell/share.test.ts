import assert from 'node:assert/strict'
import { test } from 'node:test'

import { askOf } from './ask.ts'
import { createCell } from './cell.ts'
import { largestFree, nodesOf } from './heads.ts'
import { setUsable } from './nodes.ts'
import { adopt, refusals, release, take } from './take.ts'

import type { GangRequest } from './ask.ts'
import type { Cell, NodeClass } from './cell.ts'
import type { RankSize } from './sizes.ts'

const node: NodeClass = { shape: 'node', accelerators: 2, cpuMilli: 16_000, memoryMiB: 100_000, diskMiB: 0 }
const t4 = { ...node, accelerator: 'T4', acceleratorMemoryMiB: 15_360 }
const h100 = { ...node, accelerator: 'H100', acceleratorMemoryMiB: 81_559 }

const cellOf = (classes: NodeClass[]): Cell =>
  createCell({ classes, classOf: classes.map((_, i) => i), domains: [classes.map((_, i) => i >> 1)] })
const one = (size: RankSize, more: Partial<GangRequest> = {}): GangRequest => ({ roles: [{ size, ranks: 1 }], ...more })
const gangOf = (cell: Cell, request: GangRequest) => take(cell, askOf(cell, request))

/** Nodes of tasks that come one after another. */
const placesOf = (cell: Cell, sizes: RankSize[]): number[] =>
  sizes.map((size) => nodesOf(cell, gangOf(cell, one(size))).ranks[0] ?? -1)

const half = { share: 500, cpuMilli: 1000 }
const whole = { accelerators: 1, cpuMilli: 1000 }

test('halves are put together, so that accelerators stay whole for who needs them whole', () => {
  const cell = cellOf([t4, t4, t4])
  const places = [whole, half, whole, half, half, half].map((size) => nodesOf(cell, gangOf(cell, one(size))))
  const halves = places.filter(({ devices }) => devices)
  assert.equal(halves.length, 4)
  assert.equal(new Set(halves.map(({ ranks, devices }) => `${ranks[0]} ${devices?.[0]?.device}`)).size, 2)
})

test('who needs many CPUs goes where they are plenty, so that no accelerator is left without', () => {
  const cell = cellOf([
    { ...t4, cpuMilli: 8000 },
    { ...t4, cpuMilli: 64_000 },
  ])
  release(cell, gangOf(cell, one({ share: 999, cpuMilli: 1 }))) // from here on the cell shares
  const [modest, hungry] = [4000, 8000].map((cpuMilli) => ({ ...whole, cpuMilli }))
  assert.ok(modest && hungry)
  assert.deepEqual(placesOf(cell, [modest, hungry, modest, hungry]), [0, 1, 0, 1])
})

test('a scarce model is kept for those who may run on no other', () => {
  const cell = cellOf([h100, h100, t4, t4])
  const choosy = { ...half, share: 999, allows: ({ accelerator }: NodeClass) => accelerator === 'H100' }
  const any = { ...half, share: 999 }
  const places = placesOf(cell, [choosy, any, any, choosy, any, any, choosy, choosy])
  assert.deepEqual(
    places.map((place) => place < 2),
    [true, false, false, true, false, false, true, true],
  )
})

test('an instance opens another accelerator only when no open one has room, and the last one gives it back', () => {
  const cell = cellOf([h100, h100])
  const small = one({ profile: '1g.10gb' })
  const gangs = Array.from({ length: 8 }, () => gangOf(cell, small))
  const places = gangs.map((gang) => nodesOf(cell, gang))
  assert.deepEqual(
    places.map(({ ranks, devices }) => [ranks[0], devices?.[0]?.device]),
    [...Array.from({ length: 7 }, () => [0, 0]), [0, 1]],
  )
  assert.deepEqual(
    new Set(places.slice(0, 7).map(({ devices }) => devices?.[0]?.start)),
    new Set([0, 1, 2, 3, 4, 5, 6]),
  )
  const ask = askOf(cell, one(whole))
  assert.equal(largestFree(ask, 2), 2)
  for (const gang of gangs) release(cell, gang)
  assert.equal(largestFree(ask, 2), 4)
})

test('gangs of whole accelerators and whole nodes keep out of what is shared, and shares out of theirs', () => {
  const cell = cellOf([t4, t4])
  const shared = gangOf(cell, one(half))
  assert.equal(gangOf(cell, { roles: [{ size: { whole: true }, ranks: 2 }] }), refusals.full)
  const pair = gangOf(cell, { roles: [{ size: whole, ranks: 3 }] })
  assert.ok(pair >= 0)
  const [{ ranks: [at] = [] }] = [nodesOf(cell, shared)]
  assert.equal(nodesOf(cell, pair).ranks.filter((n) => n === at).length, 1)
  assert.deepEqual(nodesOf(cell, gangOf(cell, one(half))), nodesOf(cell, shared))
  assert.equal(gangOf(cell, one(half)), refusals.full)
})

test('a gang of shares stands in one domain where it must, and its ranks may share one accelerator', () => {
  const cell = cellOf([t4, t4, t4, t4])
  const gang = gangOf(cell, { roles: [{ size: { share: 300 }, ranks: 8 }], within: { level: 1 } })
  const { ranks, devices } = nodesOf(cell, gang)
  assert.equal(new Set(ranks.map((n) => n >> 1)).size, 1)
  assert.equal(new Set(ranks.map((n, rank) => `${n} ${devices?.[rank]?.device}`)).size, 4)
  assert.equal(gangOf(cell, { roles: [{ size: { share: 600 }, ranks: 5 }], within: { level: 1 } }), refusals.tooLarge)
})

test('nothing is shared on nodes that may not be used, nor on models that cannot be cut', () => {
  const cell = cellOf([h100, t4])
  setUsable(cell, { first: 0, end: 1, usable: false })
  assert.equal(gangOf(cell, one({ profile: '1g.10gb' })), refusals.full)
  assert.equal(gangOf(cell, one({ profile: '1g.5gb' })), refusals.tooLarge)
  assert.deepEqual(placesOf(cell, [half]), [1])
})

test('a share whose accelerator nobody knows counts as a whole one, and is given back as one', () => {
  const cell = cellOf([t4])
  const ask = askOf(cell, one(half))
  const gangs = [null, { device: 7, start: 0 }].map((place) =>
    adopt(cell, ask, { ranks: [0], spares: [], devices: [place] }),
  )
  assert.equal(cell.free[0], 0)
  for (const gang of gangs) release(cell, gang)
  assert.equal(cell.free[0], 2)
})

test('where whole accelerators are asked for too, shares fill one before they open the next', () => {
  const cell = cellOf([t4, t4, t4, t4])
  gangOf(cell, one(half))
  for (let gang = 0; gang < 20; gang++) release(cell, gangOf(cell, { roles: [{ size: { whole: true }, ranks: 2 }] }))
  const { ranks, devices } = nodesOf(cell, gangOf(cell, { roles: [{ size: { share: 250 }, ranks: 6 }] }))
  assert.equal(new Set(ranks.map((n, rank) => `${n} ${devices?.[rank]?.device}`)).size, 2)
})

test('what nothing could hold is a bug of the caller, and said', () => {
  const cell = cellOf([t4])
  for (const size of [{ share: 1000 }, { share: -1 }, { share: 0.5 }, { share: 5, profile: '1g.10gb' }])
    assert.throws(() => askOf(cell, one(size)), /a rank takes 1 to 999 thousandths/)
  assert.throws(() => askOf(cell, one(half, { spread: { level: 0, most: 1 } })), /together with `within` only/)
  const roles = [one({ whole: true }), one(half)].flatMap((request) => request.roles)
  assert.throws(() => askOf(cell, { roles }), /beside no whole nodes/)
})
