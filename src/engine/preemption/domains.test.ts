import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { askOf, type GangRequest } from '#engine/cell/ask.ts'
import { createCell, type Cell } from '#engine/cell/cell.ts'
import { adopt } from '#engine/cell/take.ts'
import type { Way } from '#engine/queue/request.ts'

import { Domains } from './domains.ts'

import type { Candidate } from './candidates.ts'

/** Racks of two nodes, each with one who runs there and would lose so much. */
function someRacks(losses: readonly number[]): { cell: Cell; candidates: Candidate[] } {
  const cell = createCell({
    classes: [{ shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }],
    classOf: new Uint16Array(losses.length),
    domains: [Int32Array.from(losses, (_, i) => i >> 1)],
  })
  const way = wayOf(cell, { roles: [{ size: { accelerators: 4 }, ranks: 1 }] })
  const candidates = losses.map((loss, i): Candidate => {
    const gang = adopt(cell, way.ask, { ranks: [i], spares: [] })
    const want = { key: '', project: 'a', priority: 0, options: [] }
    const request = { id: `r${i}`, want, since: 0, lastsMs: Infinity }
    return { held: { request, way, gang, since: 0, ends: Infinity, leaves: false }, loss }
  })
  return { cell, candidates: candidates.toSorted((a, b) => a.loss - b.loss) }
}

const wayOf = (cell: Cell, gang: GangRequest): Way => ({
  cell: 0,
  gang,
  amounts: {},
  number: 0,
  site: cell,
  ask: askOf(cell, gang),
  need: '',
})

/** The least that is lost in one of so many racks, if a gang of two nodes is to have all of one. */
function bestOf(losses: readonly number[], most: number): number[] {
  const { cell, candidates } = someRacks(losses)
  const { ask } = wayOf(cell, { roles: [{ size: { accelerators: 4 }, ranks: 2 }], within: { level: 1 } })
  const next = (): Candidate | null => candidates.shift() ?? null
  return new Domains({ cell, free: cell.free.slice(), kept: new Uint8Array(losses.length), ask, most, next })
    .best()
    .map(({ loss }) => loss)
}

test('the domains with the least loss are given, that one first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (losses, most) => {
        const pairs = losses.flatMap((loss, i) => (i % 2 === 1 ? [loss + (losses[i - 1] ?? 0)] : []))
        assert.deepEqual(bestOf(losses, most), pairs.toSorted((a, b) => a - b).slice(0, most))
      },
    ),
    { seed: 3, numRuns: 300 },
  )
})

test('where ten thousand racks would each do, none of them is put in order but the best', () => {
  const begun = performance.now()
  const losses = Array.from({ length: 20_000 }, (_, i) => 100_000 + ((7919 * i) % 20_000))
  assert.equal(bestOf(losses, 8).length, 8)
  const ms = performance.now() - begun
  assert.ok(ms < 1000, `it took ${ms} ms`)
})
