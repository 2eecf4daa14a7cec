import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { createMix, mixTables, starvingScale, type Share } from './mix.ts'
import { inPieces, starving, waste } from './waste.ts'

type Counted = { share: Share; count: number }

const someMix: fc.Arbitrary<Counted[]> = fc.uniqueArray(
  fc
    .record({
      size: fc.oneof(
        fc.record({ gpus: fc.constant(1), milli: fc.integer({ min: 1, max: 1000 }) }),
        fc.record({ gpus: fc.integer({ min: 2, max: 8 }), milli: fc.constant(1000) }),
      ),
      cpuMilli: fc.integer({ min: 0, max: 20_000 }),
      count: fc.integer({ min: 1, max: 500 }),
    })
    .map(({ size, cpuMilli, count }) => ({ share: { ...size, cpuMilli }, count })),
  { minLength: 1, maxLength: 12, selector: ({ share }) => `${share.gpus} ${share.milli} ${share.cpuMilli}` },
)
const someState = fc
  .record({
    cpuMilli: fc.integer({ min: 0, max: 100_000 }),
    gpus: fc.array(fc.constantFrom(0, 190, 470, 500, 810, 1000), { maxLength: 8 }),
  })
  .map(({ cpuMilli, gpus }) => ({ nodeClass: 0, cpuMilli, free: Int32Array.from(gpus), first: 0, end: gpus.length }))

const size = ({ share, count }: Counted): number => share.gpus * share.milli * count
const sum = (list: Iterable<number>): number => [...list].reduce((all, each) => all + each, 0)

test('GPU in pieces is what FGD calls it: all that is free if an arrival has no room, else what is too small for it', () => {
  fc.assert(
    fc.property(someMix, someState, (mix, state) => {
      const expected = mix.map(({ share, count }) => {
        const large = [...state.free].filter((free) => free >= share.milli)
        const room = large.length >= share.gpus && state.cpuMilli >= share.cpuMilli
        return count * (sum(state.free) - (room ? sum(large) : 0))
      })
      assert.equal(inPieces(mixTables(mix), state), sum(expected))
    }),
  )
})

test('starving GPU is what is free beyond what the CPUs can feed, for each kind that may come', () => {
  fc.assert(
    fc.property(someMix, someState, (mix, state) => {
      const arrivals = sum(mix.map(({ count }) => count))
      const expected = mix.map((each) => {
        const cpuPerMilli = each.share.cpuMilli / (each.share.gpus * each.share.milli)
        const unfed = cpuPerMilli === 0 ? 0 : sum(state.free) - state.cpuMilli / cpuPerMilli
        return (size(each) / sum(mix.map(size))) * Math.max(0, unfed)
      })
      const found = starving(mixTables(mix), state) / starvingScale / arrivals
      assert.ok(Math.abs(found - sum(expected)) < 1 + sum(state.free) / 1000, `${found} is not ${sum(expected)}`)
    }),
  )
})

test('waste is a whole number, and nothing where nothing is free', () => {
  fc.assert(
    fc.property(someMix, someState, (mix, state) => {
      const found = waste(mixTables(mix), state)
      assert.ok(Number.isSafeInteger(found))
      if (sum(state.free) === 0) assert.equal(found, 0)
    }),
  )
})

test('a mix is learned at every doubling, then every 1,024 arrivals, and pods without a GPU teach nothing', () => {
  const mix = createMix()
  const gpu = { gpus: 1, milli: 1000, cpuMilli: 1000 }
  assert.equal(mix.saw({ gpus: 0, milli: 0, cpuMilli: 1000 }), false)
  const learned: number[] = []
  for (let arrival = 1; arrival <= 5000; arrival++) if (mix.saw(gpu)) learned.push(arrival)
  assert.deepEqual(learned, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3072, 4096])
  assert.equal(mix.tables(1)[0]?.total, 5000)
})

test('what came long ago fades: a mix that turned is known as it is now', () => {
  const mix = createMix()
  const before = { gpus: 1, milli: 500, cpuMilli: 1000 }
  const now = { ...before, milli: 300 }
  for (let arrival = 0; arrival < 16_000; arrival++) mix.saw(before)
  for (let arrival = 0; arrival < 32_000; arrival++) mix.saw(now)
  const [tables] = mix.tables(1)
  assert.ok(tables)
  const [old = 0, fresh = 0] = [500, 300].map((milli) => tables.within[tables.sizeMilli.indexOf(milli) * 2 + 1])
  assert.ok(old > 0 && fresh > 5 * old, `${old} and ${fresh}`)
  assert.ok(tables.total < 20_000)
})
