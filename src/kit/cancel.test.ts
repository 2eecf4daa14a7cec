import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createFakeClock } from '#simulator/fake-clock.ts'
import { Cancel } from './cancel.ts'
import { createClock } from './clock.ts'

test('a wait that is cancelled ends at once, on any clock, and one that was cancelled before does not begin', async () => {
  for (const clock of [createClock(), createFakeClock()]) {
    const cancel = new Cancel()
    const slept = clock.sleep(3_600_000, cancel)
    cancel.cancel()
    cancel.cancel()
    await slept
    await clock.sleep(3_600_000, cancel)
  }
})

test('who listens no more is not told', () => {
  const cancel = new Cancel()
  const told: string[] = []
  const [one, other] = [() => void told.push('one'), () => void told.push('other')]
  cancel.addEventListener('abort', one)
  cancel.addEventListener('abort', other)
  cancel.removeEventListener('abort', one)
  cancel.cancel()
  assert.deepEqual(told, ['other'])
})
