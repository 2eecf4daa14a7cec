import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { costMicros } from '#kit/money.ts'
import type { Lease } from '#model/lease.ts'
import { meter, shortestEntryMs } from './meter.ts'

const aLease = (fields: Partial<Lease> = {}): Lease => ({
  id: 'l-1',
  attempt: 'a-1',
  workload: 'w-1',
  project: 'default',
  provider: 'local',
  site: 'west',
  tier: 'on-demand',
  priceMicros: 1_000_000,
  ranks: [],
  state: 'held',
  createdAt: 0,
  startedAt: 1000,
  endedAt: null,
  meteredUntil: null,
  ...fields,
})

test('a lease that nobody took costs nothing', () => {
  assert.deepEqual(meter(aLease({ startedAt: null }), 1e9), [])
})

test('a running lease is written down in pieces that grow to ten minutes, and exactly at its end', () => {
  assert.deepEqual(meter(aLease(), 1000 + shortestEntryMs - 1), [])
  const [entry] = meter(aLease(), 1000 + shortestEntryMs)
  assert.deepEqual([entry?.from, entry?.to, entry?.amountMicros], [1000, 11_000, 2_777n])
  const older = aLease({ meteredUntil: 401_000 })
  assert.deepEqual(meter(older, 500_999), [])
  assert.deepEqual(meter(older, 501_000)[0]?.to, 501_000)
  const old = aLease({ meteredUntil: 10_000_000 })
  assert.deepEqual(meter(old, 10_599_999), [])
  assert.deepEqual(meter(old, 10_600_000)[0]?.to, 10_600_000)
  const [last] = meter(aLease({ meteredUntil: 11_000, endedAt: 11_001 }), 1e9)
  assert.deepEqual([last?.from, last?.to], [11_000, 11_001])
})

test('an entry lies in one hour of the day', () => {
  const hour = 3_600_000
  const entries = meter(aLease({ startedAt: 0, meteredUntil: 3 * hour - 400_000 }), 3 * hour + 300_000)
  assert.deepEqual(
    entries.map(({ from, to }) => [from, to]),
    [
      [3 * hour - 400_000, 3 * hour],
      [3 * hour, 3 * hour + 300_000],
    ],
  )
})

test('time of weeks is entered day by day, so that no step is large', () => {
  const day = 86_400_000
  let lease = aLease({ startedAt: 0, endedAt: 20 * day + 1 })
  for (let days = 1; days <= 20; days++) {
    const entries = meter(lease, 30 * day)
    assert.equal(entries.length, 24)
    lease = { ...lease, meteredUntil: entries.at(-1)?.to ?? 0 }
    assert.equal(lease.meteredUntil, days * day)
  }
  assert.deepEqual(
    meter(lease, 30 * day).map(({ from, to }) => to - from),
    [1],
  )
})

test('a clock that stepped back bills nothing', () => {
  assert.deepEqual(meter(aLease({ meteredUntil: 5_000_000 }), 4_000_000), [])
  assert.deepEqual(meter(aLease({ meteredUntil: 5_000_000, endedAt: 4_000_000 }), 9_000_000), [])
})

test('any cutting of time adds up to the cost of the whole lease', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 20 })
  fc.assert(
    fc.property(
      cuts,
      fc.integer({ min: 0, max: 2 ** 48 }),
      fc.integer({ min: 0, max: 10_000_000 }),
      (looks, price, length) => {
        let lease = aLease({ priceMicros: price })
        let total = 0n
        for (const look of [...looks, 1e9]) {
          if (look > length) lease = { ...lease, endedAt: 1000 + length }
          for (const entry of meter(lease, 1000 + look)) {
            assert.equal(entry.from, lease.meteredUntil ?? 1000)
            assert.ok(entry.to > entry.from && entry.amountMicros >= 0n)
            total += entry.amountMicros
            lease = { ...lease, meteredUntil: entry.to }
          }
        }
        assert.equal(total, costMicros(BigInt(price), length))
      },
    ),
  )
})
