import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { type LeasedRank, seatedAs, seatsOf } from './lease.ts'

const on = (rank: number, node: string, accelerators = 8): LeasedRank => ({
  rank,
  node,
  cpuMilli: 0,
  memoryMiB: 0,
  diskMiB: 0,
  accelerators,
})
const nodes = (ranks: readonly LeasedRank[]) => ranks.map(({ node }) => node)
const seats = (...seen: [number, string][]) => new Map(seen)

test("ranks that came up on one another's nodes change places, and all nodes stay held", () => {
  const ranks = [on(0, 'a'), on(1, 'b'), on(2, 'c')]
  assert.deepEqual(nodes(seatedAs(ranks, seats([0, 'c']))), ['c', 'b', 'a'])
  assert.deepEqual(nodes(seatedAs(ranks, seats([0, 'b'], [1, 'c'], [2, 'a']))), ['b', 'c', 'a'])
  assert.deepEqual(nodes(ranks), ['a', 'b', 'c'], 'what was given stays as it is')
})

test('who was seen stays, and who was not makes room, where ranks share nodes', () => {
  const ranks = [on(0, 'a'), on(1, 'a'), on(2, 'b'), on(3, 'b')]
  assert.deepEqual(nodes(seatedAs(ranks, seats([1, 'b'], [2, 'b']))), ['a', 'b', 'b', 'a'])
})

test('nobody changes places with who holds more, nor comes to a node that nobody of it holds', () => {
  const ranks = [on(0, 'a', 1), on(1, 'b', 8)]
  assert.deepEqual(nodes(seatedAs(ranks, seats([0, 'b']))), ['a', 'b'])
  assert.deepEqual(nodes(seatedAs(ranks, seats([0, 'z']))), ['a', 'b'])
})

test('however they come up, told at once or one by one, what each node holds stays the same and each is where it was seen', () => {
  const drawn = fc.integer({ min: 1, max: 8 }).chain((count) => {
    const all = Array.from({ length: count }, (_, rank) => rank)
    return fc.tuple(fc.shuffledSubarray(all, { minLength: count }), fc.array(fc.boolean(), { minLength: count }))
  })
  fc.assert(
    fc.property(drawn, ([places, together]) => {
      const meant = places.map((_, rank) => on(rank, `n${rank}`))
      const seen = places.map((place, rank) => ({ lease: 'l', rank, node: `n${place}` }))
      let ranks = meant
      for (let rest = seen; rest.length > 0;) {
        const next = rest.findIndex((_, at) => !together[at]) + 1 || rest.length
        ranks = seatedAs(ranks, seatsOf(rest.slice(0, next)).get('l') ?? new Map())
        rest = rest.slice(next)
      }
      assert.deepEqual(
        nodes(ranks),
        seen.map(({ node }) => node),
      )
    }),
  )
})
