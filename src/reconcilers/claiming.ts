import type { Claim } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/**
 * A claim that is ours is renewed once so much of its time has gone by, with all others of ours of which half of that
 * has; and one that somebody else holds is asked for again after so much of it: whoever asks at every nudge writes to the
 * store for nothing.
 */
const [renewAfter, askAfter] = [0.3, 0.2]

type Asked = { claim: Claim | null; at: number; seconds: number }
const asked = memory(() => ({ all: new Map<string, Asked>(), renewing: null as Promise<void> | null }))

/** A claim for a loop: ours, for at least half of its time from now on, or null where another control plane has it. */
export async function claimFor(house: House, name: string, seconds: number): Promise<Claim | null> {
  const { store, clock, holder } = house
  const remembered = asked(house)
  const { all } = remembered
  if (all.get(name)?.claim && !isFresh(all.get(name), clock.now()))
    remembered.renewing ??= renew(house).finally(() => (remembered.renewing = null))
  await remembered.renewing
  const last = all.get(name)
  if (last && isFresh(last, clock.now())) return last.claim
  all.delete(name) // until it is known
  const at = clock.now()
  const claim = await store.claims.take(name, holder, seconds)
  all.set(name, { claim, at, seconds })
  return claim
}

/** Whether it need not be asked yet. */
function isFresh(last: Asked | undefined, now: number, share = last?.claim ? renewAfter : askAfter): boolean {
  // A clock that went back says nothing of how old it is.
  const ageMs = last ? now - last.at : Infinity
  return last !== undefined && ageMs >= 0 && ageMs < share * last.seconds * 1000
}

async function renew(house: House): Promise<void> {
  const { all } = asked(house)
  const at = house.clock.now()
  const old = [...all].flatMap(([name, { claim, at: since, seconds }]) => {
    if (!claim || isFresh({ claim, at: since, seconds }, at, renewAfter / 2)) return []
    all.delete(name) // until it is known
    return [{ ...claim, seconds }]
  })
  const kept = await house.store.claims.keep(old)
  const secondsOf = new Map(old.map(({ name, seconds }) => [name, seconds]))
  for (const claim of kept) all.set(claim.name, { claim, at, seconds: secondsOf.get(claim.name) ?? 0 })
}

/** When to ask again for a claim that somebody else has. */
export const askAgainAt = (now: number, seconds: number): number => now + askAfter * seconds * 1000

/** What was remembered of a claim is void: it turned out that somebody else has it. */
export const lost = (house: House, { name }: Claim): void => void asked(house).all.delete(name)
