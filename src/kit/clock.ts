import { setImmediate as immediate } from 'node:timers/promises'

import type { Cancelled } from './cancel.ts'

/** Milliseconds since the Unix epoch, a whole number. */
export type Instant = number

/**
 * Where time comes from. Deciders never see it (they are given `now`); loops are handed one, so that the simulator
 * can hand them another.
 */
export type Clock = {
  now(): Instant
  /** Resolves after `milliseconds`, or at once when `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal?: Cancelled): Promise<void>
  /** Resolves when all that is ready has had its turn. Takes no time. */
  giveWay(): Promise<void>
}

/** A point on both clocks: what the wall said when the monotonic clock of boot `bootId` stood at `monotonicMs`. */
export type ClockAnchor = { bootId: string; monotonicMs: number; wallMs: Instant }

/**
 * The clock of a real process. It reads the wall once and then follows the monotonic clock, so that a step of the wall
 * clock (an administrator, NTP, a resumed virtual machine) neither bills an hour that nobody used nor hides one.
 * With the anchor of an earlier process on the same boot it continues that one's time across the restart.
 */
export function createClock(anchor?: ClockAnchor): Clock {
  const base = anchor ?? newAnchor('')
  return {
    now: () => Math.round(base.wallMs + monotonicMs() - base.monotonicMs),
    sleep,
    giveWay: () => immediate(),
  }
}

export const newAnchor = (bootId: string): ClockAnchor => ({
  bootId,
  monotonicMs: monotonicMs(),
  wallMs: Date.now(),
})

/** Milliseconds of a clock that is never set. It counts from boot and is the same for every process of that boot. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000

function sleep(milliseconds: number, signal?: Cancelled): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal?.addEventListener('abort', done, { once: true })
  })
}
