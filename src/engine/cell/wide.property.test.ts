import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createRandom } from '#kit/random.ts'

import { askOf } from './ask.ts'
import { createCell } from './cell.ts'
import { catchUp, rebuild } from './form.ts'
import { fitting, largestFree, levelOf, nodesOf } from './heads.ts'
import { slotsOf } from './nodes.ts'
import { refusals, release, take } from './take.ts'
import { domainAt } from './tree.ts'

import type { GangRequest } from './ask.ts'
import type { Cell, NodeClass } from './cell.ts'

/** Cells with so many domains side by side that they are found by buckets; the small ones are tested against brute force. */
const classes: NodeClass[] = [
  { shape: 'a', accelerators: 8, cpuMilli: 9000, memoryMiB: 800, diskMiB: 0 },
  { shape: 'b', accelerators: 4, cpuMilli: 150_000, memoryMiB: 900, diskMiB: 0 },
]
const cells = fc
  .record({
    nodes: fc.integer({ min: 65, max: 900 }),
    rack: fc.integer({ min: 1, max: 300 }),
    racks: fc.integer({ min: 1, max: 90 }),
  })
  .map(({ nodes, rack, racks }) => {
    const all = Array.from({ length: nodes }, (_, i) => i)
    const domains = [all.map((i) => Math.floor(i / rack)), all.map((i) => Math.floor(i / rack / racks))]
    return createCell({ classes, classOf: all.map((i) => (Math.floor(i / 7) % 3 === 0 ? 1 : 0)), domains })
  })
const sizes = [
  { whole: true },
  { accelerators: 1 },
  { accelerators: 3, memoryMiB: 250 },
  { cpuMilli: 700, memoryMiB: 31 },
  { cpuMilli: 1, memoryMiB: 100 },
  { memoryMiB: 55 },
]

/** Takes and gives back gangs of many sizes, and lets `look` judge each taking; the same for the same seed. */
function work(cell: Cell, seed: number, look: (request: GangRequest, decide: () => number) => void): void {
  const random = createRandom(seed)
  const live: number[] = []
  for (let i = 0; i < 60; i++) {
    while (live.length > 0 && random.below(3) === 0) release(cell, live.splice(random.below(live.length), 1)[0] ?? 0)
    const ranks = random.below(2) === 0 ? 1 + random.below(9) : 1 + random.below(cell.classOf.length)
    const level = 1 + random.below(3)
    const slices = random.below(4) === 0 ? { level: Math.min(level, 1 + random.below(2)), ranks: 3 } : undefined
    const size = sizes[random.below(sizes.length)] ?? {}
    const request = { roles: [{ size, ranks: slices ? 3 * ranks : ranks }], within: { level }, slices }
    look(request, () => {
      const gang = take(cell, askOf(cell, request))
      if (gang >= 0) live.push(gang)
      return gang
    })
  }
}

/** Ranks (in whole slices) that each domain of a level has room for, counted the plain way. */
function roomOf(cell: Cell, { roles, slices }: GangRequest, level: number): number[] {
  const size = roles[0]?.size
  const number = size ? askOf(cell, { roles: [{ size, ranks: 1 }] }).size : 0
  const sum = (values: number[], at: number) => {
    const sums: number[] = []
    values.forEach((value, node) => {
      const domain = domainAt(cell.tree, node, at)
      sums[domain] = (sums[domain] ?? 0) + value
    })
    return sums
  }
  const nodes = Array.from(cell.classOf, (_, node) => slotsOf(cell, node, number))
  if (!slices) return sum(nodes, level)
  const sliced = sum(nodes, slices.level).map((room) => Math.floor(room / slices.ranks) * slices.ranks)
  const firsts = new Set<number>()
  const spread = nodes.map((_, node) => {
    const domain = domainAt(cell.tree, node, slices.level)
    const isFirst = !firsts.has(domain)
    firsts.add(domain)
    return isFirst ? (sliced[domain] ?? 0) : 0
  })
  return sum(spread, level)
}

test('in a wide cell, too, a gang gets the tightest domain with the least left over, or there is none', () => {
  fc.assert(
    fc.property(cells, fc.nat(), (cell, seed) =>
      work(cell, seed, (request, decide) => {
        const ranks = request.roles[0]?.ranks ?? 0
        const loosest = request.within?.level ?? 3
        const tightest = request.slices?.level ?? 0
        const rooms = Array.from({ length: loosest + 1 }, (_, level) => roomOf(cell, request, level))
        const level = rooms.findIndex((room, l) => l >= tightest && room.some((able) => able >= ranks))
        const gang = decide()
        if (level === -1) return assert.ok(gang === refusals.full || gang === refusals.tooLarge)
        assert.ok(gang >= 0)
        const nodes = nodesOf(cell, gang).ranks
        assert.equal(nodes.length, ranks)
        assert.deepEqual(
          nodes,
          nodes.toSorted((a, b) => a - b),
        )
        if (ranks === 1) return
        assert.equal(levelOf(cell, gang), level)
        const domains = new Set(nodes.map((node) => domainAt(cell.tree, node, level)))
        assert.equal(domains.size, 1)
        const [domain = 0] = domains
        const least = Math.min(...(rooms[level] ?? []).filter((able) => able >= ranks))
        assert.equal(rooms[level]?.[domain], least)
      }),
    ),
    { numRuns: 40 },
  )
})

test('in a wide cell, too, what is kept up to date is what would be counted from scratch', () => {
  fc.assert(
    fc.property(cells, fc.nat(), (cell, seed) => {
      work(cell, seed, (_, decide) => decide())
      assert.ok(cell.free.every((amount) => amount >= 0))
      for (const form of cell.forms.values()) {
        if (form.layers.length === 0) continue
        catchUp(form, form.layers.length)
        const kept = structuredClone(form.layers)
        rebuild(form, form.layers.length)
        assert.deepEqual(kept, form.layers)
      }
    }),
    { numRuns: 40 },
  )
})

test('in a wide cell the heads of a level are what a look at every domain tells', () => {
  fc.assert(
    fc.property(cells, fc.nat(), (cell, seed) => {
      work(cell, seed, (request, decide) => {
        decide()
        const ask = askOf(cell, { roles: request.roles })
        for (const level of [0, 1, 2, 3]) {
          const room = roomOf(cell, { roles: request.roles }, level)
          assert.equal(largestFree(ask, level), Math.max(...room))
          for (const units of [1, 3, 40])
            assert.equal(fitting(ask, level, units), room.filter((n) => n >= units).length)
        }
      })
    }),
    { numRuns: 10 },
  )
})
