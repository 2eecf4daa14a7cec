import assert from 'node:assert/strict'
import { test } from 'node:test'

import { causeOf } from '#model/cause.ts'
import type { Lease } from '#model/lease.ts'
import type { Rank } from '#model/rank.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import { aNow } from '#test/builders.ts'
import { aLease, aRank as aLiveRank } from '#test/live-attempts.ts'
import { compare, type Doubts, noDoubts } from './compare.ts'

/** A rank whose agent was never heard. */
const aRank = (fields: Partial<Rank> = {}): Rank => aLiveRank({ address: null, heardAt: null, ...fields })

const leased = (rank: Partial<Rank>, lease: Partial<Lease> = {}): Lease & { ranksSeen: Rank[] } => ({
  ...aLease({ workload: 'w-1', ...lease }),
  ranksSeen: [aRank(rank)],
})

const shown = (rank: Partial<RankSighting>): Sighting => ({
  token: 'l-1',
  workload: 'w-1',
  attempt: 1,
  ranks: [{ rank: 0, state: 'running', exitCode: null, startedAt: aNow, endedAt: null, ...rank }],
})

/** The states that a listing brings to rank 0, at `now` and after others at earlier times. */
function seen(
  lease: ReturnType<typeof leased>,
  sightings: Sighting[],
  options: { now?: number; doubts?: ReturnType<typeof noDoubts>; since?: number } = {},
): string[] {
  const { now = aNow + 60_000, doubts = noDoubts(), since = 0 } = options
  return compare({ leases: [lease], sightings, since, now }, doubts).map(({ state }) => state)
}

test('an exit is taken from a listing only where no agent reports', () => {
  const exited = [shown({ state: 'exited', exitCode: 3 })]
  assert.deepEqual(seen(leased({ heardAt: aNow + 59_000 }), exited), [])
  assert.deepEqual(seen(leased({ heardAt: aNow }), exited), ['exited'])
})

test('where no agent ever reported, an end is taken from a listing only when the next one shows the same', () => {
  for (const end of [{ state: 'exited', exitCode: 3 }, { state: 'lost' }] as const) {
    const doubts = noDoubts()
    const look = (rank: Partial<RankSighting>, seconds: number) =>
      seen(leased({}), [shown(rank)], { doubts, now: aNow + 60_000 + 1000 * seconds })
    assert.deepEqual(look(end, 0), [])
    assert.deepEqual(look(end, 1), [])
    assert.deepEqual(look(end, 2), [end.state])
    assert.deepEqual(look({}, 4), [])
    assert.deepEqual(look(end, 6), [])
    assert.deepEqual(look({ state: 'exited', exitCode: 4 }, 8), [])
    assert.deepEqual(look({ state: 'exited', exitCode: 4 }, 10), ['exited'])
  }
})

test('an exit without a code is waited for a while longer: the code may come', () => {
  const doubts = noDoubts()
  const look = (exitCode: number | null, seconds: number) =>
    seen(leased({}), [shown({ state: 'exited', exitCode })], { doubts, now: aNow + 60_000 + 1000 * seconds })
  for (const seconds of [0, 2, 4]) assert.deepEqual(look(null, seconds), [])
  assert.deepEqual([look(0, 6), look(0, 8)], [[], ['exited']])
  for (const seconds of [10, 12, 18]) assert.deepEqual(look(null, seconds), [])
  assert.deepEqual(look(null, 20), ['exited'])
})

function seenTwice(sightings: Sighting[], ...lease: Parameters<typeof leased>): string[] {
  const doubts = noDoubts()
  assert.deepEqual(seen(leased(...lease), sightings, { doubts }), [])
  return seen(leased(...lease), sightings, { doubts, now: aNow + 62_000 })
}

test('a rank that is left out of its gang was lost, unless it never came', () => {
  const others = [shown({ rank: 1 })]
  assert.deepEqual(seenTwice(others, {}), ['lost'])
  assert.deepEqual(seenTwice(others, { heardAt: aNow + 59_000 }), [])
  assert.deepEqual(seenTwice(others, { state: 'expected' }), [])
  assert.deepEqual(seenTwice(others, {}, { state: 'stopping' }), [])
})

test('times of a provider whose clock is wrong lie between the order and now', () => {
  const sightings = [shown({ state: 'exited', exitCode: 0, startedAt: aNow - 99_000, endedAt: aNow + 999_000 })]
  const leases = [leased({ heardAt: aNow })]
  const [rank] = compare({ leases, sightings, since: 0, now: aNow + 60_000 }, noDoubts())
  assert.deepEqual([rank?.startedAt, rank?.endedAt], [aNow, aNow + 60_000])
})

test('an agent is not silent while nobody listened', () => {
  const exited = [shown({ state: 'exited', exitCode: 3 })]
  assert.deepEqual(seen(leased({ heardAt: aNow }), exited, { since: aNow + 55_000 }), [])
})

test('what a listing no longer shows is lost only when the next one does not either', () => {
  const doubts = noDoubts()
  assert.deepEqual(seen(leased({}), [], { doubts }), [])
  assert.deepEqual(seen(leased({}), [], { doubts, now: aNow + 62_000 }), ['lost'])
  const flickering = noDoubts()
  assert.deepEqual(seen(leased({}), [], { doubts: flickering }), [])
  assert.deepEqual(seen(leased({}), [shown({})], { doubts: flickering, now: aNow + 61_000 }), [])
  assert.deepEqual(seen(leased({}), [], { doubts: flickering, now: aNow + 62_000 }), [])
})

test('what has just been launched may not be listed yet', () => {
  const doubts = noDoubts()
  for (const now of [aNow + 2000, aNow + 59_000])
    assert.deepEqual(seen(leased({ state: 'expected' }), [], { doubts, now }), [])
})

test('what is being retired is never lost', () => {
  const doubts: Doubts = new Map([['l-1 0', { what: 'absent', since: 0 }]])
  assert.deepEqual(seen(leased({}, { state: 'stopping' }), [], { doubts }), [])
})

/** What a listing brings to a rank, with when its node goes. */
const told = (rank: Partial<Rank>, sighting: Partial<RankSighting>) => {
  const facts = { leases: [leased(rank)], sightings: [shown(sighting)], since: 0, now: aNow + 60_000 }
  return compare(facts, noDoubts()).map(({ state, leavesAt }) => `${state} ${leavesAt}`)
}

/** … to one of which it was known why it does not start. */
const why = (known: Rank['cause']) =>
  seen(leased({ state: 'expected', cause: known }), [shown({ state: 'expected', cause: causeOf('image', 'no such') })])

test('notice that a node goes is news once, and again when it goes sooner, whatever its agent says', () => {
  const heardAt = aNow + 59_000
  assert.deepEqual(told({ heardAt }, { leavesAt: 90 }), ['running 90'])
  assert.deepEqual(told({ heardAt, leavesAt: 90 }, { leavesAt: 90 }), [])
  assert.deepEqual(told({ heardAt, leavesAt: 90 }, { leavesAt: 80 }), ['running 80'])
  assert.deepEqual(told({ heardAt, state: 'exited' }, { state: 'exited', leavesAt: 80 }), [])
  assert.deepEqual(told({ heardAt }, { state: 'expected', leavesAt: 80 }), ['running 80'])
})

test('why a rank does not start is news when it is another reason', () => {
  assert.deepEqual(why(null), ['expected'])
  assert.deepEqual(why(causeOf('image', 'not found')), [])
  assert.deepEqual(why(causeOf('unschedulable')), ['expected'])
})

const servedAt = (ready: boolean, address: string) => ({ ready, address, endpoints: [`${address}:8080`] })
const served = (known: Partial<Rank>, serving: RankSighting['serving']) =>
  compare(
    { leases: [leased(known)], sightings: [shown({ ...(serving && { serving }) })], since: 0, now: aNow },
    noDoubts(),
  ).map((one) => one.serving)

test('whether a rank serves, and where, is news as long as no agent tells', () => {
  const known = { ready: true, address: '10.0.0.7' }
  const as = servedAt(true, '10.0.0.7')
  assert.deepEqual(served({ ready: false }, as), [as])
  assert.deepEqual(served(known, servedAt(false, '10.0.0.7')), [servedAt(false, '10.0.0.7')])
  assert.deepEqual(served(known, servedAt(true, '10.0.0.8')), [servedAt(true, '10.0.0.8')])
  assert.deepEqual(served(known, as), [])
  assert.deepEqual(served(known, undefined), [])
})

test('that a rank runs on another node of its lease is told with it, and what is as it was meant to be is not', () => {
  const amounts = { cpuMilli: 0, memoryMiB: 0, diskMiB: 0, accelerators: 8 }
  const lease = leased({ state: 'expected' }, { ranks: [{ rank: 0, node: 'a', ...amounts }] })
  const nodeAt = (node: string) =>
    compare({ leases: [lease], sightings: [shown({ node })], since: 0, now: aNow }, noDoubts()).map((one) => one.node)
  assert.deepEqual([nodeAt('b'), nodeAt('a')], [['b'], [undefined]])
})
