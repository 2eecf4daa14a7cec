import assert from 'node:assert/strict'
import { test } from 'node:test'

import { place } from '#engine/placement/place.ts'
import { aJob, aLease, aNow, aSite, aSnapshot, someNodes } from '#test/builders.ts'
import { doubt } from './doubt.ts'
import type { House } from './reconciler.ts'

const input = {
  snapshot: aSnapshot({ waiting: [aJob()], sites: [aSite({ nodes: someNodes(1, { cpus: 4 }) })] }),
  now: aNow,
}
const right = place(input)
const wrong = right.map((decision) => ({
  ...decision,
  placement: decision.placement && { ...decision.placement, ranks: [] },
}))
const aHouse = () => ({}) as House // only what it remembers of it is used

test('what the checker refuses is not carried out, and the next round is looked at again', () => {
  const house = aHouse()
  assert.throws(() => doubt(house, input, wrong), /not carried out: .*the gang is not whole/)
  doubt(house, input, right)
  doubt(house, input, wrong)
})

test('what is told twice in a row is let through, for the checker may be wrong', () => {
  const house = aHouse()
  assert.throws(() => doubt(house, input, wrong))
  doubt(house, input, wrong)
})

test('a checker that tells another thing each time does not stop the house for ever', () => {
  const house = aHouse()
  const [decision] = right
  assert.ok(decision)
  const named = (i: number) => [...right, { ...decision, workload: `nobody-${i}` }]
  for (let round = 0; round < 3; round++) assert.throws(() => doubt(house, input, named(round)), /nobody/)
  doubt(house, input, named(3))
})

test('one round in 32 is looked at', () => {
  const house = aHouse()
  for (let round = 0; round < 32; round++) doubt(house, input, right)
  assert.throws(() => doubt(house, input, wrong))
})

test('a house may have each round looked at', () => {
  const house = { checksEvery: 1 } as unknown as House
  doubt(house, input, right)
  assert.throws(() => doubt(house, input, wrong))
})

test('of a large fleet the part is looked at that the round has touched', () => {
  const nodes = someNodes(2_000, { cpus: 4 })
  const rank = { rank: 0, cpuMilli: 4_000, memoryMiB: 1024, diskMiB: 0, accelerators: 0 }
  const leases = nodes.slice(1).map(({ name }, i) => aLease({ id: `l-${i}`, ranks: [{ ...rank, node: name }] }))
  const large = { ...input, snapshot: aSnapshot({ waiting: [aJob()], sites: [aSite({ nodes })], leases }) }
  const decisions = place(large)
  doubt(aHouse(), large, decisions)
  const onTaken = decisions.map((decision) => ({
    ...decision,
    placement: decision.placement && {
      ...decision.placement,
      ranks: decision.placement.ranks.map((one) => ({ ...one, node: 'n1999' })),
    },
  }))
  assert.throws(() => doubt(aHouse(), large, onTaken), /n1999 is overcommitted/)
})

test('each round that is looked at is counted, and all that is wrong in it', () => {
  const found: number[] = []
  const house = { checked: (violations: number) => found.push(violations) } as unknown as House
  doubt(house, input, right)
  for (let round = 1; round <= 32; round++) doubt(house, input, right)
  assert.deepEqual(found, [0, 0])
  const other = { checked: house.checked } as unknown as House
  assert.throws(() => doubt(other, input, wrong))
  assert.ok((found[2] ?? 0) > 0)
})
