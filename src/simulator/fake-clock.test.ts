import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from './fake-clock.ts'

test('time stands still until it is moved, and whoever sleeps wakes at his time, in order', async () => {
  const clock = createFakeClock(1_000)
  const heard: string[] = []
  const wakes = [30, 10, 20, 10].map(async (ms, i) => {
    await clock.sleep(ms)
    heard.push(`${i} at ${clock.now()}`)
  })
  assert.equal(clock.now(), 1_000)
  await clock.advance(15)
  assert.deepEqual(heard, ['1 at 1010', '3 at 1010'])
  assert.equal(clock.now(), 1_015)
  await clock.advance(100)
  await Promise.all(wakes)
  assert.deepEqual(heard.slice(2), ['2 at 1020', '0 at 1030'])
  assert.equal(clock.now(), 1_115)
})

test('who sleeps again while time moves is woken again on the way', async () => {
  const clock = createFakeClock(0)
  let turns = 0
  const loop = (async () => {
    for (; turns < 5; turns++) await clock.sleep(10)
  })()
  await clock.advance(35)
  assert.equal(turns, 3)
  await clock.advance(15)
  await loop
})

test('an aborted sleep ends at once and leaves no time behind', async () => {
  const clock = createFakeClock(0)
  const abort = new AbortController()
  const sleep = clock.sleep(1_000, abort.signal)
  abort.abort()
  await sleep
  await clock.sleep(1_000, abort.signal)
  assert.equal(clock.now(), 0)
  assert.equal(await clock.runUntil(() => false, 10_000), false)
  assert.equal(clock.now(), 0)
})

test('time runs until a condition holds, and no further', async () => {
  const clock = createFakeClock(0)
  let turns = 0
  void (async () => {
    for (; turns < 100; turns++) await clock.sleep(10)
  })()
  assert.equal(await clock.runUntil(() => turns === 7, 1_000), true)
  assert.ok(clock.now() === 70 && turns === 7)
})

test('flowing time jumps to the next sleeper by itself', async () => {
  const clock = createFakeClock(0)
  const stop = clock.flow()
  await clock.sleep(3_600_000)
  await clock.sleep(1)
  stop()
  assert.equal(clock.now(), 3_600_001)
})

/** What is said where one gives way three times, another has much to do at once, and a third sleeps. */
async function givingWay(promisesOnly: boolean) {
  const clock = createFakeClock(0, { promisesOnly })
  const said: string[] = []
  const say = (what: string) => said.push(`${what} at ${clock.now()}`)
  const asleep = clock.sleep(1).then(() => say('slept'))
  const polite = (async () => {
    for (let i = 0; i < 3; i++) await clock.giveWay()
    say('gave way')
  })()
  const busy = (async () => {
    for (let i = 0; i < 100; i++) await Promise.resolve()
    say('ready')
  })()
  await clock.advance(0)
  await Promise.all([polite, busy])
  await clock.advance(1)
  await asleep
  return said
}

test('who gives way lets all that is ready go first, and time stands still for it', async () => {
  const expected = ['ready at 0', 'gave way at 0', 'slept at 1']
  assert.deepEqual(await givingWay(true), expected)
  assert.deepEqual(await givingWay(false), expected)
})

test('a world of promises leaves turns to signals and timers of the process', async () => {
  const clock = createFakeClock(0, { promisesOnly: true })
  let turns = 0
  setImmediate(() => (turns += 1))
  void (async () => {
    for (;;) await clock.sleep(1)
  })()
  await clock.advance(900)
  assert.equal(turns, 0)
  await clock.advance(200)
  assert.equal(turns, 1)
})
