import { wayBackHolds } from '#engine/placement/check-going-back.ts'
import { goBack as decide } from '#engine/placement/going-back.ts'
import type { Claim } from '#store/store.ts'
import { lost } from './claiming.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'
import { roundFacts } from './round-facts.ts'

/** So often it is looked who goes back to spot capacity, and of so many in turn: each takes two plans of all who wait. */
const [everyMs, mostRunning] = [60_000, 4]

/** Of those who wait so many go first; and so many leases are told apart. */
const [most, few] = [1_000, 2_000]

const looked = memory(() => ({ at: -Infinity, after: '' }))

/**
 * Lets a job with a deadline leave capacity that lasts for spot capacity where that pays, by who has the claim to place: so
 * moves of either kind are counted one after the other. Nothing where nobody is to be moved, or a minute has not gone by.
 */
export async function goBack(house: House, claim: Claim): Promise<void> {
  const { store, clock, movesPerHour = 0 } = house
  const now = clock.now()
  const last = looked(house)
  if (movesPerHour === 0 || (now >= last.at && now < last.at + everyMs)) return
  last.at = now
  const running = { workload: last.after, most: mostRunning }
  const snapshot = await store.placement.snapshot({ now, most, few, moves: true, running })
  last.after = snapshot.running?.[mostRunning - 1]?.workload.id ?? ''
  if (!snapshot.running?.length) return
  const plan = house.steering?.plan()
  const input = { snapshot: await roundFacts(house, snapshot, now), now, movesPerHour, ...(plan && { plan }) }
  const decision = decide(input)
  if (!decision) return
  const wrong = [...wayBackHolds(input, decision)]
  house.checked?.(wrong.length)
  if (wrong.length > 0)
    throw new Error(`The engine decided what its checker refuses, so it is not carried out: ${wrong[0]}`)
  if ((await store.placement.commit(claim, [], [decision], now)) === null) lost(house, claim)
}
