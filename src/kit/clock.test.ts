import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createClock, newAnchor } from './clock.ts'

test('a clock with the anchor of an earlier process goes on where that one was', () => {
  const anchor = newAnchor('boot')
  const [before, after] = [createClock(anchor), createClock({ ...anchor })]
  const [first, second, third] = [before.now(), after.now(), before.now()]
  assert.ok(first <= second && second <= third)
  assert.ok(Number.isInteger(first))
})

test('a step of the wall clock does not move the time', (t) => {
  const clock = createClock()
  const before = clock.now()
  t.mock.method(Date, 'now', () => before + 3_600_000)
  const after = clock.now()
  assert.ok(after >= before && after - before < 60_000)
})

test('the anchor of a wall clock that was wrong is kept until the next boot', () => {
  const anchor = newAnchor('boot')
  const clock = createClock({ ...anchor, wallMs: anchor.wallMs - 5_000_000 })
  assert.ok(Math.abs(clock.now() - (Date.now() - 5_000_000)) < 60_000)
})

test('who gives way lets all that is ready go first', async () => {
  const clock = createClock()
  const order: string[] = []
  const gaveWay = clock.giveWay().then(() => order.push('gave way'))
  void Promise.resolve()
    .then(() => Promise.resolve())
    .then(() => order.push('ready'))
  await gaveWay
  assert.deepEqual(order, ['ready', 'gave way'])
})

test('a sleep ends at once when its signal aborts, before or during it', async () => {
  const clock = createClock()
  await clock.sleep(1_000_000, AbortSignal.abort())
  const stop = new AbortController()
  const asleep = clock.sleep(1_000_000, stop.signal)
  stop.abort()
  await asleep
  await clock.sleep(1)
})
