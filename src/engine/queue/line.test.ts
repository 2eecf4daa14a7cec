import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { setUsable } from '#engine/cell/nodes.ts'
import { planOf } from '#engine/cell/plan.ts'

import { Line } from './line.ts'
import { createShares } from './share.ts'

import type { LineOptions } from './line-options.ts'
import type { QuotaNode } from './quota.ts'
import type { Want } from './request.ts'

const nodeClass = { shape: 'x8', accelerators: 8, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
const quotas = ['a', 'b'].map((name): QuotaNode => ({
  name,
  parent: null,
  nominal: { gpu: 32 },
  borrowing: {},
  lending: {},
}))

const gangOf = (ranks: number) => ({ roles: [{ size: { whole: true }, ranks }] })

/** A line over so many nodes, and a short way to let somebody come, who wants so many of them. */
function aLine(count: number, choose?: LineOptions['choose']) {
  const cell = createCell(
    planOf(Array.from({ length: count }, (_, i) => ({ name: `n${i}`, path: [], nodeClass }))).plan,
  )
  const shares = createShares({
    nodes: quotas.map(({ name }) => ({ name, parent: null, weight: 1 })),
    capacity: { gpu: 8 * count },
    halfLifeMs: 0,
  })
  const line = new Line({ cells: [cell], quotas, shares, overdueMs: 1000, choose })
  const comes = (
    id: string,
    ranks: number,
    more: { since?: number; lastsMs?: number; gpu?: number } & Partial<Want> = {},
  ): void => {
    const { since = 0, lastsMs = 100, gpu = 8 * ranks, ...rest } = more
    const gang = gangOf(ranks)
    const want = { key: id, project: 'a', priority: 0, options: [{ cell: 0, gang, amounts: { gpu } }], ...rest }
    line.submit({ id, want, since, lastsMs })
  }
  const starts = (now: number, most?: number) =>
    line.turn(now, most).flatMap((decision) => ('refused' in decision ? [] : [decision.id]))
  return { cell, line, comes, starts }
}

test('priority goes first, then the project with the smaller share, then who came first', () => {
  const { comes, starts } = aLine(4)
  comes('late', 1, { since: 2 })
  comes('early', 1, { since: 1 })
  comes('other', 1, { since: 3, project: 'b' })
  comes('urgent', 1, { since: 4, priority: 1 })
  assert.deepEqual(starts(5), ['urgent', 'other', 'early', 'late'])
})

test('a turn places so many and goes on with the others in the next', () => {
  const { comes, starts } = aLine(3)
  for (const id of ['x', 'y', 'z']) comes(id, 1, { key: 'same' })
  assert.deepEqual(starts(0, 2), ['x', 'y'])
  assert.deepEqual(starts(0, 2), ['z'])
})

test('who has waited beyond the bound goes before all others, the oldest first', () => {
  const { comes, starts } = aLine(3)
  comes('urgent', 1, { since: 500, priority: 9 })
  comes('old', 1, { since: 10 })
  comes('older', 1, { since: 5, project: 'b' })
  assert.deepEqual(starts(1010), ['older', 'old', 'urgent'])
})

test('who finds no room is promised a start; others pass only if they end by then, whatever their priority', () => {
  const { line, comes, starts } = aLine(2)
  comes('runs', 1, { lastsMs: 100 })
  assert.deepEqual(starts(0), ['runs'])
  comes('wide', 2)
  comes('long', 1, { priority: 5, lastsMs: 101 })
  comes('short', 1, { since: 5, lastsMs: 90 })
  assert.deepEqual(starts(10), ['long']) // it goes before the wide one, which is not promised anything yet
  assert.deepEqual(
    line.reservations().map(({ request, at, nodes }) => [request.id, at, nodes.length]),
    [['wide', 111, 2]],
  )
  line.ended('runs', 20)
  comes('longer', 1, { since: 20, priority: 5 })
  assert.deepEqual(starts(20), ['short'])
  line.ended('short', 110)
  line.ended('long', 111)
  assert.deepEqual(starts(111), ['wide'])
})

test('who has slept longest without a promise is given one before somebody new is let in', () => {
  const { line, comes, starts } = aLine(2)
  comes('runs', 2)
  starts(0)
  comes('narrow', 1, { since: 1 })
  comes('wide', 2, { since: 2 })
  assert.deepEqual(starts(2), [])
  line.ended('runs', 100)
  assert.deepEqual(starts(100), ['narrow'])
  comes('new', 1, { since: 110, lastsMs: 1000 })
  assert.deepEqual(starts(110), [])
  line.ended('narrow', 200)
  assert.deepEqual(starts(200), ['wide'])
})

test('a refusal says what is missing, and is not repeated until something changes', () => {
  const { line, cell, comes } = aLine(4)
  comes('huge', 5, { gpu: 1 })
  comes('dear', 1, { gpu: 33 })
  setUsable(cell, { first: 0, end: 4, usable: false })
  comes('fine', 1)
  assert.deepEqual(line.turn(0), [
    { id: 'huge', refused: { cause: 'too-large' } },
    { id: 'dear', refused: { cause: 'quota', resource: 'gpu', at: 'a', limit: 'quota', free: 32 } },
    { id: 'fine', refused: { cause: 'room', option: 0, cell: 0, largest: 0, needs: 1, reservedFor: null } },
  ])
  assert.deepEqual(line.turn(1), [])
  setUsable(cell, { first: 2, end: 3, usable: true })
  line.changed(0)
  assert.deepEqual(line.turn(2), [{ id: 'fine', option: 0, cell: 0, gang: 0, ranks: [2], spares: [] }])
  assert.deepEqual([line.asked, line.vain], [4, 3])
})

test('when the first of a row leaves, the next is asked, and what was promised to the first is free', () => {
  const { line, comes, starts } = aLine(2)
  comes('runs', 1)
  starts(0)
  comes('wide', 2)
  comes('long', 1, { since: 1, lastsMs: 1000 })
  assert.deepEqual(starts(1), [])
  line.withdraw('wide')
  assert.deepEqual(line.reservations(), [])
  assert.deepEqual(starts(2), ['long'])
})

test('a node that fails takes the promise along, and a new one is made of those that are left', () => {
  const { line, cell, comes, starts } = aLine(3)
  comes('runs', 2, { lastsMs: 50 })
  starts(0)
  comes('pair', 2, { since: 1 })
  assert.deepEqual(starts(1), [])
  const [failed = -1] = line.reservations()[0]?.nodes ?? []
  setUsable(cell, { first: failed, end: failed + 1, usable: false })
  line.changed(0)
  assert.deepEqual(line.reservations(), [])
  comes('new', 1, { since: 2, lastsMs: 1000 })
  assert.deepEqual(starts(2), [])
  const [promise] = line.reservations()
  assert.equal(promise?.at, 50)
  assert.ok(!promise.nodes.includes(failed))
})

test('of several options the first with room and quota is taken, and counted with its own amounts', () => {
  const { line, comes } = aLine(4)
  const options = [
    { cell: 0, gang: gangOf(5), amounts: { gpu: 1 } },
    { cell: 0, gang: gangOf(2), amounts: { gpu: 33 } },
    { cell: 0, gang: gangOf(3), amounts: { gpu: 30 } },
  ]
  comes('x', 1, { options })
  comes('y', 1, { gpu: 3, since: 1 })
  assert.deepEqual(line.turn(2), [
    { id: 'x', option: 2, cell: 0, gang: 0, ranks: [0, 1, 2], spares: [] },
    { id: 'y', refused: { cause: 'quota', resource: 'gpu', at: 'a', limit: 'quota', free: 2 } },
  ])
  line.ended('x', 3)
  assert.equal(line.turn(3).length, 1)
})

test('who chooses says which options may be tried now, and in which order', () => {
  const may = new Map([['x', [1, 0]]])
  const { line, comes } = aLine(2, ({ id }) => may.get(id) ?? [])
  const options = [1, 2].map((gpu) => ({ cell: 0, gang: gangOf(1), amounts: { gpu } }))
  comes('x', 1, { options })
  comes('y', 1, { options, since: 1 })
  const [x, y] = line.turn(2)
  assert.deepEqual([x && 'option' in x && x.option, y], [1, { id: 'y', refused: { cause: 'barred' } }])
  assert.deepEqual(line.turn(3), [])
  may.set('y', [0])
  line.reconsider('y')
  assert.deepEqual(
    line.turn(4).map((decision) => 'option' in decision && decision.option),
    [0],
  )
})

test('who runs already holds its nodes and its quota, also more than there is, until it has ended', () => {
  const { line, comes, starts } = aLine(3)
  const want = { key: 'w', project: 'a', priority: 0, options: [{ cell: 0, gang: gangOf(2), amounts: { gpu: 40 } }] }
  const running = { option: 0, ranks: [2, 0], spares: [], ends: 50 }
  line.adopt({ id: 'runs', want, since: 0, lastsMs: 50 }, running, 10)
  comes('same', 1, { since: 11 })
  comes('wide', 2, { project: 'b', since: 12 })
  assert.deepEqual(starts(12), [])
  assert.deepEqual(
    line.reservations().map(({ request, at }) => [request.id, at]),
    [['wide', 50]],
  )
  comes('short', 1, { project: 'b', since: 13, lastsMs: 37 })
  assert.deepEqual(starts(13), ['short'])
  line.ended('runs', 50)
  line.ended('short', 50)
  assert.deepEqual(starts(50), ['same', 'wide'])
})

const wide = (id: string) => {
  const options = [0, 1].map((cell) => ({ cell, gang: gangOf(2), amounts: {} }))
  return { id, want: { key: id, project: 'a', priority: 0, options }, since: 0, lastsMs: 100 }
}

test('no start is promised where no nodes are, and again one is once they are back', () => {
  const cells = [0, 1].map(() => createCell(planOf(['m', 'n'].map((name) => ({ name, path: [], nodeClass }))).plan))
  const shares = createShares({ nodes: quotas.map((one) => ({ ...one, weight: 1 })), capacity: {}, halfLifeMs: 0 })
  const line = new Line({ cells, quotas: quotas.map((one) => ({ ...one, nominal: {} })), shares, overdueMs: 1e9 })
  const promised = () => line.reservations().map(({ request, way, at }) => `${request.id} in ${way.cell} at ${at}`)
  const [first, second] = cells
  if (!first || !second) throw new Error('there are two cells')
  const turnAll = (usable: boolean) => {
    setUsable(second, { first: 0, end: 2, usable })
    line.changed(1)
  }
  turnAll(false)
  for (const id of ['runs', 'waits', 'hopes']) line.submit(wide(id))
  line.turn(0)
  assert.deepEqual(promised(), ['waits in 0 at 100'])
  line.submit(wide('hopes too'))
  line.turn(1)
  assert.deepEqual(promised(), ['waits in 0 at 100'])
  turnAll(true)
  line.adopt(wide('moved'), { option: 1, ranks: [0, 1], spares: [], ends: 50 }, 1)
  line.submit(wide('comes'))
  line.turn(2)
  assert.deepEqual(promised(), ['waits in 0 at 100', 'hopes in 1 at 50'])
})
