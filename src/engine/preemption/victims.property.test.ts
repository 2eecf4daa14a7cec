import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { askOf, type GangRequest } from '#engine/cell/ask.ts'
import { createCell } from '#engine/cell/cell.ts'
import { adopt } from '#engine/cell/take.ts'
import { Rehearsal } from '#engine/queue/rehearsal.ts'
import type { Way } from '#engine/queue/request.ts'

import { findVictims } from './victims.ts'

import type { Candidate } from './candidates.ts'

const racks = [2, 2]
const nodes = 4
const plan = {
  classes: [{ shape: 'x4', accelerators: 4, cpuMilli: 0, memoryMiB: 0, diskMiB: 0 }],
  classOf: new Uint16Array(nodes),
  domains: [Int32Array.from(racks.flatMap((count, rack) => Array.from({ length: count }, () => rack)))],
}
const runs = fc.array(
  fc.record({
    accelerators: fc.integer({ min: 1, max: 4 }),
    on: fc.uniqueArray(fc.nat({ max: nodes - 1 }), { minLength: 1, maxLength: 2 }),
    loss: fc.integer({ min: 1, max: 9 }),
  }),
  { maxLength: 7 },
)
const wanted = fc.record({
  accelerators: fc.integer({ min: 1, max: 4 }),
  ranks: fc.integer({ min: 1, max: 4 }),
  isClose: fc.boolean(),
})

test('victims are found if there are any that are enough, none of them is needless, and they cost little more than the least', () => {
  let [found, least] = [0, 0]
  fc.assert(
    fc.property(runs, wanted, (all, { accelerators, ranks, isClose }) => {
      const cell = createCell(plan)
      const free = Array.from({ length: nodes }, () => 4)
      const wayOf = (gang: GangRequest): Way => ({
        cell: 0,
        gang,
        amounts: {},
        number: 0,
        site: cell,
        ask: askOf(cell, gang),
        need: '',
      })
      const held = all.filter((run) => {
        const fits = run.on.every((node) => (free[node] ?? 0) >= run.accelerators)
        if (fits) for (const node of run.on) free[node] = (free[node] ?? 0) - run.accelerators
        return fits
      })
      const candidates = held
        .map((run, i): Candidate => {
          const way = wayOf({ roles: [{ size: { accelerators: run.accelerators }, ranks: run.on.length }] })
          const gang = adopt(cell, way.ask, { ranks: run.on, spares: [] })
          const want = { key: '', project: 'a', priority: 0, options: [] }
          const request = { id: String(i), want, since: 0, lastsMs: 1 }
          return { held: { request, way, gang, since: 0, ends: 1, leaves: false }, loss: run.loss }
        })
        .toSorted((a, b) => a.loss - b.loss)
      const gang = { roles: [{ size: { accelerators }, ranks }], ...(isClose && { within: { level: 1 } }) }
      const way = wayOf(gang)
      const rehearsal = new Rehearsal(cell)
      const begin = () => {
        rehearsal.begin()
        return rehearsal.ask(way)
      }
      const enough = (gone: ReadonlySet<number>): boolean => {
        const slots = free.map((left, node) => {
          const freed = held.filter((run, i) => gone.has(i) && run.on.includes(node))
          return Math.floor((left + freed.reduce((sum, run) => sum + run.accelerators, 0)) / accelerators)
        })
        const [one = 0, two = 0, three = 0, four = 0] = slots
        return isClose ? Math.max(one + two, three + four) >= ranks : one + two + three + four >= ranks
      }
      const subsets = Array.from({ length: 2 ** held.length }, (_, bits) => held.keys().filter((i) => bits & (1 << i)))
      const costs = subsets.flatMap((set) => {
        const gone = new Set(set)
        return enough(gone) ? [[...gone].reduce((sum, i) => sum + (held[i]?.loss ?? 0), 0)] : []
      })
      const eviction = findVictims({
        way,
        begin,
        again: (other) => rehearsal.ask(other),
        order: () => {
          const left = candidates.values()
          return () => left.next().value ?? null
        },
        mayLeave: () => true,
        leave: () => {},
        stay: () => {},
        isRight: () => true,
        most: Infinity,
      })
      const best = costs.length > 0 ? Math.min(...costs) : null
      // Nobody has to leave for one who has room.
      assert.equal(eviction === null, best === null || best === 0)
      if (!eviction || best === null) return
      found++
      if (eviction.loss === best) least++
      const gone = eviction.victims.map((one) => Number(one.held.request.id))
      assert.ok(enough(new Set(gone)))
      for (const one of gone)
        assert.ok(!enough(new Set(gone.filter((other) => other !== one))), `${one} leaves for nothing`)
      assert.ok(eviction.loss <= best * gone.length, `${eviction.loss} is lost, and ${best} would do`)
    }),
    { seed: 41, numRuns: 1500 },
  )
  assert.ok(least >= 0.8 * found, `the least is lost in ${least} of ${found} cases`)
})
