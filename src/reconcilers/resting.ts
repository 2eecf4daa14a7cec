import { memory } from './memory.ts'
import type { Reconciler } from './reconciler.ts'

type Rest = {
  /** From the begin of one look to the next, at the least. */
  leastMs: number
  /** … and so many times as long as the look took, so that a large house is looked at less often, not all the time. */
  times: number
}

/**
 * Nobody rests longer for the time that a look took: one that seems to have taken more was held up by something that is
 * over, such as a process that stood still.
 */
const mostMs = 30_000

/** How long to rest after a look: so many times as long as it took. */
export const restAfter = (tookMs: number, times: number): number => Math.min(mostMs, tookMs * times)

/** Lets a loop rest after each turn that was of no use, however often it is nudged. One that asks for `more` is followed at once. */
export function resting({ leastMs, times }: Rest, turn: Reconciler['turn']): Reconciler['turn'] {
  const remembered = memory(() => ({ until: -Infinity }))
  return async (house, signal) => {
    const rest = remembered(house)
    const began = house.clock.now()
    if (began < rest.until) return { status: 'rested', at: rest.until }
    const found = await turn(house, signal)
    const now = house.clock.now()
    if (!found.more && !found.useful) rest.until = Math.max(began + leastMs, now + restAfter(now - began, times))
    return found
  }
}
