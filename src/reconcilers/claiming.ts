import type { Claim } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/**
 * A claim that is ours is renewed once so much of its time has gone by, and one that somebody else holds is asked for
 * again after so much of it: whoever asks at every nudge writes to the store for nothing.
 */
const [renewAfter, askAfter] = [0.3, 0.2]

type Asked = { claim: Claim | null; at: number }
const asked = memory(() => new Map<string, Asked>())

/** A claim for a loop: ours, for at least half of its time from now on, or null where another control plane has it. */
export async function claimFor(house: House, name: string, seconds: number): Promise<Claim | null> {
  const { store, clock, holder } = house
  const all = asked(house)
  const last = all.get(name)
  const share = last?.claim ? renewAfter : askAfter
  // A clock that went back says nothing of how old it is.
  const ageMs = last ? clock.now() - last.at : Infinity
  if (last && ageMs >= 0 && ageMs < share * seconds * 1000) return last.claim
  all.delete(name) // until it is known
  const at = clock.now()
  const claim = await store.claims.take(name, holder, seconds)
  all.set(name, { claim, at })
  return claim
}

/** When to ask again for a claim that somebody else has. */
export const askAgainAt = (now: number, seconds: number): number => now + askAfter * seconds * 1000

/** What was remembered of a claim is void: it turned out that somebody else has it. */
export const lost = (house: House, { name }: Claim): void => void asked(house).delete(name)
