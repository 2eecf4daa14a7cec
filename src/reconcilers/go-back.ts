import { wayBackHolds } from '#engine/placement/check-going-back.ts'
import { goBack as decide } from '#engine/placement/going-back.ts'
import type { Claim } from '#store/store.ts'
import { lost } from './claiming.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'
import { restAfter } from './resting.ts'
import { roundFacts } from './round-facts.ts'

/** So often it is looked who goes back to spot capacity at the most, and less often in a large house. */
const rest = { leastMs: 5_000, times: 20 }

/** So many are looked at in turn: each takes two plans of all who wait. */
const mostRunning = 4

/** Of those who wait so many go first; and so many leases are told apart. */
const [most, few] = [1_000, 2_000]

const looks = memory(() => ({ until: -Infinity, after: '' }))

/**
 * Lets a job with a deadline leave capacity that lasts for spot capacity where that pays, by who has the claim to place: so
 * moves of either kind are counted one after the other. Nothing where nobody is to be moved, or it was looked at just now.
 */
export async function goBack(house: House, claim: Claim): Promise<void> {
  const { clock, movesPerHour = 0 } = house
  const began = clock.now()
  const state = looks(house)
  if (movesPerHour === 0 || began < state.until) return
  // Also after a look that fails: whoever waits is placed all the same.
  state.until = began + rest.leastMs
  await look(house, claim, state)
  const now = clock.now()
  state.until = Math.max(began + rest.leastMs, now + restAfter(now - began, rest.times))
}

/** Looks at those behind a workload, and notes behind which to go on, whatever comes of it. */
async function look(house: House, claim: Claim, state: { after: string }): Promise<void> {
  const { store, clock, movesPerHour = 0 } = house
  const now = clock.now()
  const running = { workload: state.after, most: mostRunning }
  const snapshot = await store.placement.snapshot({ now, most, few, moves: true, running })
  state.after = snapshot.running?.[mostRunning - 1]?.workload.id ?? ''
  if (!snapshot.running?.length) return
  const plan = house.steering?.plan()
  const input = { snapshot: await roundFacts(house, snapshot, now), now, movesPerHour, ...(plan && { plan }) }
  const decision = decide(input)
  if (decision) {
    const wrong = [...wayBackHolds(input, decision)]
    house.checked?.(wrong.length)
    if (wrong.length > 0)
      throw new Error(`The engine decided what its checker refuses, so it is not carried out: ${wrong[0]}`)
    if ((await store.placement.commit(claim, [], [decision], now)) === null) lost(house, claim)
  }
}
