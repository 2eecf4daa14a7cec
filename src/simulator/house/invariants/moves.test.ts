import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createComparison } from './changes.ts'
import type { Seen } from './invariant.ts'
import { endedStaysEnded, statesMoveAsTheirTablesSay } from './moves.ts'
import type { LeaseRow, Tables } from './tables.ts'
import { noTables, seenOf } from './seen-of.ts'

const aLease = (change: Partial<LeaseRow>): LeaseRow => ({
  id: 'l-1',
  attempt: 'a-1',
  workload: 'w-1',
  project: 'default',
  provider: 'simulated',
  site: 'west',
  tier: 'spot',
  priceMicros: 1,
  ranks: [],
  state: 'held',
  createdAt: 0,
  startedAt: 1,
  endedAt: null,
  meteredUntil: 1,
  shape: 'sim-4',
  graceMs: 0,
  ...change,
})

/** What two looks at one lease say, the first of which finds nothing wrong. */
function between(before: Partial<LeaseRow>, after: Partial<LeaseRow>, check: (seen: Seen) => string[]): string[] {
  const compare = createComparison()
  const look = (lease: LeaseRow) => {
    const tables: Tables = { ...noTables, leases: new Map([[lease.id, lease]]) }
    return check(seenOf({ tables, changes: compare(tables) }))
  }
  assert.deepEqual(look(aLease(before)), [])
  return look(aLease(after))
}

test('several moves may lie between two looks, and a move that no table has is seen', () => {
  const { check } = statesMoveAsTheirTablesSay()
  assert.deepEqual(between({ state: 'wanted' }, { state: 'gone', endedAt: 9 }, check), [])
  const back = between({ state: 'stopping' }, { state: 'held' }, check)
  assert.deepEqual(back, ['lease l-1 went from stopping to held, and no way leads there'])
})

test('what has ended may not end anew', () => {
  const { check } = endedStaysEnded()
  const again = between({ state: 'gone', endedAt: 9 }, { state: 'gone', endedAt: 10 }, check)
  assert.deepEqual(again, ['lease l-1 ended as gone at 9 with no code and is now gone at 10 with no code'])
})
