import { setImmediate as immediate } from 'node:timers/promises'

import type { Clock, Instant } from '#kit/clock.ts'
import { createHeap } from '#kit/heap.ts'

/** A clock whose time moves only when it is told to. Who sleeps is woken in the order of time, one after another. */
export type FakeClock = Clock & {
  /** Moves time forward, waking whoever sleeps until then; what they do at once is done before the next one wakes. */
  advance(milliseconds: number): Promise<void>
  /** Moves time from sleeper to sleeper until the condition holds. False: nobody sleeps until `mostMs` from now. */
  runUntil(condition: () => boolean, mostMs: number): Promise<boolean>
  /** Lets time jump to the next sleeper whenever nothing else happens, until the function returned is called. */
  flow(): () => void
}

type Sleeper = { at: Instant; order: number; wake: () => void; awake: boolean }

export type Settle = {
  /** Nobody is woken before what this waits for: that what goes on outside of this process, of which no sleeper tells, has ended. */
  quiet?: () => Promise<void>
  /**
   * All that happens comes of promises alone, and of no turn of the event loop: none is waited for between two sleepers.
   * Who gives way is woken in his order then, too.
   */
  promisesOnly?: boolean
}

/** For signals and timers of the process there is a turn of the event loop after so many sleepers at the latest. */
const turnEvery = 1000

/** Starts at a whole second of 2026 unless told otherwise. */
export function createFakeClock(start: Instant = 1_767_225_600_000, settle: Settle = {}): FakeClock {
  let now = start
  let order = 0
  let wakes = 0
  const sleepers = createHeap<Sleeper>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))

  const next = (): Sleeper | undefined => {
    while (sleepers.peek()?.awake) sleepers.pop() // an aborted sleep has no time any more
    return sleepers.peek()
  }
  const asleep = (at: Instant, wake: () => void): Sleeper => {
    const sleeper: Sleeper = { at, order: order++, awake: false, wake }
    sleepers.push(sleeper)
    return sleeper
  }
  const wakeNext = async (until: Instant): Promise<boolean> => {
    // Lets all that is ready run, and it may sleep again.
    if (settle.promisesOnly && ++wakes % turnEvery > 0) await allPromises()
    else await immediate()
    if (settle.quiet) await settle.quiet()
    const sleeper = next()
    if (!sleeper || sleeper.at > until) return false
    sleepers.pop()
    now = Math.max(now, sleeper.at)
    sleeper.wake()
    return true
  }

  return {
    now: () => now,
    sleep(milliseconds, signal) {
      if (signal?.aborted || milliseconds <= 0) return Promise.resolve()
      return new Promise((resolve) => {
        const wake = (): void => {
          sleeper.awake = true
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        const sleeper = asleep(now + Math.ceil(milliseconds), wake)
        signal?.addEventListener('abort', wake, { once: true })
      })
    },
    giveWay: () => (settle.promisesOnly ? new Promise((wake) => void asleep(now, wake)) : immediate()),
    async advance(milliseconds) {
      const until = now + milliseconds
      while (await wakeNext(until));
      now = Math.max(now, until)
    },
    async runUntil(condition, mostMs) {
      const until = now + mostMs
      while (!condition()) if (!(await wakeNext(until))) return condition()
      return true
    },
    flow() {
      const stop = new AbortController()
      const run = async () => {
        while (!stop.signal.aborted) await wakeNext(Infinity)
      }
      void run()
      return () => stop.abort()
    },
  }
}

/** Resolves when no promise has anything left to do at once. */
const allPromises = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
