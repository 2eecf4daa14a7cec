import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from '#simulator/fake-clock.ts'
import type { Claim } from '#store/store.ts'
import { askAgainAt, claimFor, keepClaims, lost } from './claiming.ts'
import type { House } from './reconciler.ts'

/** A house whose store gives a claim or not, and how often it was asked. */
function aHouse(isOurs: () => boolean) {
  const clock = createFakeClock(0)
  const asked: number[] = []
  const take = (name: string, holder: string): Promise<Claim | null> => {
    asked.push(clock.now())
    return Promise.resolve(isOurs() ? { name, holder, epoch: 1 } : null)
  }
  const kept: string[] = []
  const keep = (claims: Claim[]): Promise<Claim[]> => {
    kept.push(`${clock.now()} ${claims.map(({ name }) => name).join(' ')}`)
    return Promise.resolve(isOurs() ? claims.map(({ name, holder, epoch }) => ({ name, holder, epoch })) : [])
  }
  const house = { clock, holder: 'us', store: { claims: { take, keep } } } as unknown as House // all that it needs of one
  return { house, clock, asked, kept }
}

test('a claim that is ours is renewed long before it runs out, and not with every turn', async () => {
  const { house, clock, asked, kept } = aHouse(() => true)
  for (let i = 0; i < 100; i++) {
    assert.deepEqual(await claimFor(house, 'admit', 10), { name: 'admit', holder: 'us', epoch: 1 })
    await clock.advance(100)
  }
  assert.deepEqual(asked, [0])
  assert.deepEqual(kept, ['3000 admit', '6000 admit', '9000 admit'])
})

test('what is renewed takes those along that are half as old, and whoever asks meanwhile waits for it', async () => {
  const { house, clock, asked, kept } = aHouse(() => true)
  await claimFor(house, 'admit', 10)
  await clock.advance(1_000)
  await claimFor(house, 'observe:local/west', 10)
  await claimFor(house, 'observe:local/far', 100)
  await clock.advance(2_000)
  const both = await Promise.all([claimFor(house, 'admit', 10), claimFor(house, 'observe:local/west', 10)])
  assert.deepEqual(
    both.map((claim) => claim?.name),
    ['admit', 'observe:local/west'],
  )
  assert.deepEqual(kept, ['3000 admit observe:local/west'])
  assert.equal(asked.length, 3)
})

test('claims that are kept by a beat need no loop to wake for them, for as long as it wants them', async () => {
  const { house, clock, asked, kept } = aHouse(() => true)
  const { keep } = house.store.claims
  await keepClaims(house, keep)
  await claimFor(house, 'admit', 7)
  await claimFor(house, 'leave:local/west', 12)
  for (let seconds = 5; seconds <= 100; seconds += 5) {
    await clock.advance(5_000)
    await keepClaims(house, keep)
    if (seconds % 15 === 0) assert.ok(await claimFor(house, 'admit', 7))
  }
  assert.deepEqual(asked, [0, 0])
  assert.deepEqual(kept.slice(0, 2), ['0 ', '5000 admit leave:local/west'], 'it is said in any case')
  assert.deepEqual(kept.slice(-3), ['90000 admit leave:local/west', '95000 admit', '100000 admit'])
})

test('a beat that fails leaves claims to be asked for, and the next one keeps them', async () => {
  const { house, clock, asked, kept } = aHouse(() => true)
  await claimFor(house, 'admit', 7)
  await clock.advance(5_000)
  await assert.rejects(keepClaims(house, () => Promise.reject(new Error('away'))))
  await keepClaims(house, house.store.claims.keep)
  assert.deepEqual(kept, ['5000 admit'])
  assert.ok(await claimFor(house, 'admit', 7))
  await assert.rejects(keepClaims(house, () => Promise.reject(new Error('away'))))
  assert.ok(await claimFor(house, 'admit', 7))
  assert.deepEqual([asked, kept], [[0], ['5000 admit', '5000 admit']])
})

test('a claim that could not be renewed is asked for anew', async () => {
  let isOurs = true
  const { house, clock, asked } = aHouse(() => isOurs)
  await claimFor(house, 'admit', 10)
  isOurs = false
  await clock.advance(3_000)
  assert.equal(await claimFor(house, 'admit', 10), null)
  assert.deepEqual(asked, [0, 3_000])
})

test('a claim that somebody else has is asked for again at times, and at once when ours turned out to be void', async () => {
  let isOurs = false
  const { house, clock, asked } = aHouse(() => isOurs)
  for (let i = 0; i < 40; i++) {
    assert.equal(await claimFor(house, 'admit', 10), null)
    await clock.advance(100)
  }
  assert.deepEqual(asked, [0, 2_000])
  assert.equal(askAgainAt(clock.now(), 10), 6_000)
  isOurs = true
  const claim = await claimFor(house, 'admit', 10)
  assert.ok(claim)
  lost(house, claim)
  await claimFor(house, 'admit', 10)
  assert.deepEqual(asked, [0, 2_000, 4_000, 4_000])
})
