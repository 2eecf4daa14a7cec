import assert from 'node:assert/strict'
import { test } from 'node:test'

import { watchSpot } from './spot-rates.ts'

/** Ticks of a zone from the lengths of its runs, with capacity and without in turn. */
const zoneOf = (...runs: number[]): boolean[] => runs.flatMap((length, i) => Array.from({ length }, () => i % 2 === 0))

function watched(...zones: boolean[][]) {
  const watch = watchSpot(zones.length)
  const ticks = Math.max(...zones.map(({ length }) => length))
  for (let tick = 0; tick < ticks; tick++) watch.saw(zones.map((zone) => zone[tick] ?? false))
  return watch
}

/** The chance that what it would take now is taken away in a tick. */
function taken(watch: ReturnType<typeof watchSpot>): number {
  const { held, idle } = watch.rates()
  return 1 - (held[watch.state() - idle] ?? []).reduce((sum, chance) => sum + chance, 0)
}

/** Short runs and a long one, again and again: what has lasted for a while lasts. */
const heavy = zoneOf(...Array.from({ length: 40 }, () => [1, 2, 1, 2, 2, 3, 60, 2]).flat())

test('capacity that has lasted is likelier to last, and is taken before what is new', () => {
  const watch = watched([...heavy, ...zoneOf(40)], [...heavy, ...zoneOf(0, 39, 1)])
  assert.equal(watch.best(), 0)
  const fresh = watched([...heavy, ...zoneOf(0, 39, 1)])
  const old = watched([...heavy, ...zoneOf(40)])
  assert.ok(old.state() < fresh.state(), 'a lower grade is likelier to last')
  assert.ok(taken(old) < taken(fresh) / 4, `${taken(old)} ${taken(fresh)}`)
})

test('of two zones that have had capacity for as long, the one that lost it less often is better', () => {
  const calm = zoneOf(...Array.from({ length: 10 }, () => [100, 5]).flat())
  const wild = zoneOf(...Array.from({ length: 105 }, () => [5, 5]).flat())
  assert.equal(watched([...wild, ...zoneOf(0, 5, 9)], [...calm, ...zoneOf(0, 5, 9)]).best(), 1)
})

test('without any capacity, the market is in another state the longer that lasts', () => {
  const states = [1, 2, 4, 9, 33].map((ticks) => watched([...heavy.slice(0, -2), ...zoneOf(0, ticks)]).state())
  assert.deepEqual(states, [0, 1, 2, 3, 5])
  const { market, idle, afterTaken } = watched(heavy).rates()
  for (const row of [...market, afterTaken]) assert.ok(Math.abs(row.reduce((sum, one) => sum + one, 0) - 1) < 1e-9)
  assert.equal(idle, 6)
})
