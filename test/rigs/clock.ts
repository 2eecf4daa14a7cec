import type { TestContext } from 'node:test'

import type { Clock } from '#kit/clock.ts'

/** A clock that shows what it is told, and on which nobody sleeps. */
export const clockAt = (now: Clock['now']): Clock => ({
  now,
  sleep: () => Promise.resolve(),
  giveWay: () => Promise.resolve(),
})

/**
 * From now on, and to the end of the test, the clock of this process is so far off: ahead, or behind where it is negative.
 * Those of other processes are right, so that to us all of theirs are off.
 */
export function setOff(t: TestContext, milliseconds: number): void {
  const right = Date.now.bind(Date)
  t.mock.method(Date, 'now', () => right() + milliseconds)
}

/** Clocks that are a minute off, both ways, and how one calls them. */
export const aMinuteOff = [
  ['a minute ahead', 60_000],
  ['a minute behind', -60_000],
] as const
