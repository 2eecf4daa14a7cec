import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createCell } from '#engine/cell/cell.ts'
import { setUsable } from '#engine/cell/nodes.ts'
import { planOf } from '#engine/cell/plan.ts'
import { Line } from '#engine/queue/line.ts'
import { createShares } from '#engine/queue/share.ts'

import type { GangRequest } from '#engine/cell/ask.ts'
import type { Decision } from '#engine/queue/request.ts'
import type { Preemption } from '#model/project.ts'

// Queues in which something went wrong once.

const nodeClass = { shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }
const within: Preemption = { within: 'lower-priority', reclaim: 'never', perHour: null }

/** Cells of racks of so many nodes of 4 each; project `a` may have its own less urgent work leave, `b` nobody's. */
function aLine(racksOf: number[][], more: { movesPerHour?: number; nominal?: number } = {}) {
  const { nominal, movesPerHour } = more
  const cells = racksOf.map((racks) => {
    const nodes = racks.flatMap((count, rack) =>
      Array.from({ length: count }, (_, i) => ({ name: `n${rack}-${i}`, path: [`rack ${rack}`], nodeClass })),
    )
    return createCell(planOf(nodes).plan)
  })
  const limit: Record<string, number> = nominal === undefined ? {} : { gpu: nominal }
  const quotas = ['a', 'b'].map((name) => ({ name, parent: null, nominal: limit, borrowing: {}, lending: {} }))
  const shares = createShares({
    nodes: quotas.map((node) => ({ ...node, weight: 1 })),
    capacity: { gpu: 99 },
    halfLifeMs: 0,
  })
  const preemption = new Map([['a', within]])
  return { cells, line: new Line({ cells, quotas, shares, overdueMs: 1e9, preemption, movesPerHour }) }
}

type Asked = { project?: string; priority?: number; since?: number; lastsMs?: number; on?: number[] }

const aRequest = (id: string, gang: GangRequest, asked: Asked = {}) => {
  const { project = 'a', priority = 0, since = 0, lastsMs = Infinity, on = [0] } = asked
  const gpu = gang.roles.reduce((sum, { size, ranks }) => sum + ranks * (size.accelerators ?? 0), 0)
  const options = on.map((cell) => ({ cell, gang, amounts: { gpu } }))
  return { id, want: { key: id, project, priority, options }, since, lastsMs }
}

/** So many whole nodes. */
const nodes = (ranks: number): GangRequest => ({ roles: [{ size: { accelerators: 4 }, ranks }] })
const inRack = (ranks: number, accelerators = 4): GangRequest => ({
  roles: [{ size: { accelerators }, ranks }],
  within: { level: 1 },
})
/** One node, with the rest of its rack kept from others. */
const rackAlone: GangRequest = { ...inRack(1), exclusive: 1 }

const told = (decisions: Decision[]) =>
  decisions.map((one) =>
    'ranks' in one
      ? `${one.id} starts`
      : `${one.id} ${one.refused.cause}${'victims' in one.refused ? ` ${one.refused.victims.join(' ')}` : ''}`,
  )

test('who could not be promised a start while nodes were kept for somebody else is promised one afterwards', () => {
  const { line } = aLine([[4]])
  line.submit(aRequest('v', nodes(2), { lastsMs: 100_000 }))
  line.turn(0)
  for (const [id, lastsMs] of [['s0', 1000] as const, ['s1', 1500] as const])
    line.submit(aRequest(id, nodes(1), { project: 'b', lastsMs }))
  line.turn(1)
  line.submit(aRequest('x', nodes(2), { priority: 5, since: 2, lastsMs: 2000 }))
  line.submit(aRequest('big', nodes(4), { project: 'b', since: 2, lastsMs: 1000 }))
  assert.ok(told(line.turn(2)).includes('x preempts v'))
  line.ended('v', 10)
  assert.ok(told(line.turn(10)).includes('x starts'))
  // Small ones keep coming, and one end after the other would be theirs.
  const running = [
    { id: 's0', at: 1001 },
    { id: 's1', at: 1501 },
    { id: 'x', at: 2010 },
  ]
  let has = false
  for (let came = 2; !has && came < 40; came++) {
    const { id, at } = running.sort((a, b) => a.at - b.at).shift() ?? { id: '', at: 0 }
    line.ended(id, at)
    for (const name of [`s${came}`, `t${came}`])
      line.submit(aRequest(name, nodes(1), { project: 'b', since: at, lastsMs: 1000 }))
    for (const one of line.turn(at)) {
      if (!('ranks' in one)) continue
      has ||= one.id === 'big'
      running.push({ id: one.id, at: at + 1000 })
    }
  }
  assert.ok(has, 'big never started')
})

test('nodes that one who leaves keeps for itself alone are not kept for two others', () => {
  const { line } = aLine([[2, 2]])
  for (const [i, id] of ['v1', 'v2'].entries()) line.submit(aRequest(id, rackAlone, { since: i }))
  line.turn(1)
  for (const [i, id] of ['x1', 'x2'].entries()) line.submit(aRequest(id, inRack(2), { priority: 5, since: 2 + i }))
  assert.deepEqual(told(line.turn(3)).toSorted(), ['x1 preempts v2', 'x2 preempts v1'])
  const kept = line.reservations().flatMap((one) => one.nodes)
  assert.equal(new Set(kept).size, kept.length)
})

test('who sleeps and loses the nodes that were kept for it has others leave at once', () => {
  const { line, cells } = aLine([[4]], { nominal: 16 })
  for (const i of [0, 1, 2, 3]) line.submit(aRequest(`a${i}`, nodes(1), { since: i }))
  line.turn(10)
  line.submit(aRequest('x', nodes(2), { priority: 5, since: 12 }))
  assert.deepEqual(told(line.turn(12)), ['x preempts a3 a2'])
  const [cell] = cells
  const [lost = 0] = line.reservations()[0]?.nodes ?? []
  if (cell) setUsable(cell, { first: lost, end: lost + 1, usable: false })
  line.changed(0)
  const [decision] = line.turn(13)
  assert.ok(decision && 'refused' in decision && decision.refused.cause === 'preempts')
})

test('nobody is moved for somebody to whom those give room who leave anyway', () => {
  const { line } = aLine([[2], [2, 2]], { movesPerHour: 5 })
  const leaving = { option: 0, ends: 50, since: 0, ranks: [0, 1], spares: [], leaves: true }
  line.adopt(aRequest('z', inRack(2)), leaving, 0)
  for (const [id, rank] of [['p', 0] as const, ['q', 2] as const])
    line.adopt(
      aRequest(id, inRack(1, 1), { on: [1] }),
      { option: 0, ends: Infinity, since: 0, ranks: [rank], spares: [] },
      0,
    )
  line.submit(aRequest('x', inRack(2), { on: [0, 1] }))
  assert.deepEqual(told(line.turn(10)), ['x room'])
})

test('who leaves anyway counts as gone where others have to leave beside', () => {
  const { line } = aLine([[4]])
  line.adopt(aRequest('z', nodes(2)), { option: 0, ends: 50, since: 0, ranks: [0, 1], spares: [], leaves: true }, 0)
  line.adopt(aRequest('y', nodes(2)), { option: 0, ends: Infinity, since: 0, ranks: [2, 3], spares: [] }, 0)
  line.submit(aRequest('x', nodes(4), { priority: 5, since: 1 }))
  assert.deepEqual(told(line.turn(10)), ['x preempts y'])
})

test('who gets other nodes than those of its victims waits for whoever leaves there', () => {
  const { line } = aLine([[3]])
  const stands = { option: 0, ends: Infinity, since: 0, spares: [] }
  line.adopt(aRequest('z', nodes(1)), { ...stands, ranks: [0], leaves: true }, 0)
  line.adopt(aRequest('y', nodes(2), { project: 'b' }), { ...stands, ranks: [1, 2] }, 0)
  line.submit(aRequest('other', nodes(2), { project: 'b', since: 0 }))
  line.submit(aRequest('x', nodes(1), { since: 1 }))
  // Its victim has left, and its node is gone.
  line.promise('other', 0, { now: 2 })
  line.promise('x', 0, { now: 2, left: new Set(['victim']) })
  line.turn(2)
  const kept = line.reservations().find(({ request }) => request.id === 'x')
  assert.deepEqual([kept?.nodes, [...(kept?.victims ?? [])]], [[0], ['z']])
})

test('where the least would be lost on nodes that are kept for others, somebody leaves elsewhere', () => {
  const { line } = aLine([[12]])
  const half: GangRequest = { roles: [{ size: { accelerators: 2 }, ranks: 1 }] }
  for (let i = 0; i < 24; i++) line.submit(aRequest(`low${i}`, half, { since: i }))
  line.turn(30)
  for (let i = 0; i < 12; i++) line.submit(aRequest(`high${i}`, half, { priority: 1, since: 40 + i }))
  const decisions = told(line.turn(60))
  assert.equal(decisions.filter((one) => one.includes('preempts')).length, 12)
})

test('of hundreds under one quota each makes somebody leave, and does not count all who leave out of each promise', () => {
  const many = 300
  const { line } = aLine([[2 * many]], { nominal: 8 * many })
  for (let i = 0; i < 2 * many; i++) line.submit(aRequest(`low${i}`, nodes(1), { since: i }))
  line.turn(2 * many)
  for (let i = 0; i < many; i++) line.submit(aRequest(`high${i}`, nodes(1), { priority: 1, since: 1000 + i }))
  const begun = process.cpuUsage()
  const decisions = told(line.turn(2000))
  const { user } = process.cpuUsage(begun)
  assert.equal(decisions.filter((one) => one.includes('preempts')).length, many)
  assert.ok(user < 2_500_000, `it took ${user / 1e6} s`)
})
