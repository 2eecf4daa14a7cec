import type { Claim, Kept } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/**
 * A claim that is ours is renewed once so much of its time has gone by, with all others of ours of which half of that
 * has; and one that somebody else holds is asked for again after so much of it: whoever asks at every nudge writes to the
 * store for nothing.
 */
const [renewAfter, askAfter] = [0.3, 0.2]

/** Who has not asked for its claim for so long hangs, or needs it no more: it is left to run out. Longer than any loop rests. */
const unwantedMs = 90_000

type Asked = { name: string; claim: Claim | null; at: number; seconds: number; wantedAt: number }
const asked = memory(() => ({ all: new Map<string, Asked>(), renewing: null as Promise<void> | null }))

/** A claim for a loop: ours, for at least half of its time from now on, or null where another control plane has it. */
export async function claimFor(house: House, name: string, seconds: number): Promise<Claim | null> {
  const { store, clock, holder } = house
  const remembered = asked(house)
  const { all } = remembered
  const known = all.get(name)
  if (known) known.wantedAt = clock.now()
  await remembered.renewing
  if (isOld(all.get(name), clock.now())) await (remembered.renewing ?? renew(house, renewAfter / 2, store.claims.keep))
  const last = all.get(name)
  if (last && isFresh(last, clock.now(), last.claim ? renewAfter : askAfter)) return last.claim
  all.delete(name) // until it is known
  const at = clock.now()
  const claim = await store.claims.take(name, holder, seconds)
  all.set(name, { name, claim, at, seconds, wantedAt: at })
  return claim
}

type Keep = (claims: Kept[]) => Promise<Claim[]>

/**
 * Renews all claims that loops of ours want: done every few seconds, none of them has to wake for its own. `keep` is asked
 * in any case, with none as well.
 */
export const keepClaims = (house: House, keep: Keep): Promise<void> => renew(house, 0, keep)

const isOld = (known: Asked | undefined, now: number): boolean =>
  known !== undefined && known.claim !== null && !isFresh(known, now, renewAfter)

/** Whether it need not be asked yet, as no more than this share of its time has gone by. */
function isFresh({ at, seconds }: Asked, now: number, share: number): boolean {
  // A clock that went back says nothing of how old it is.
  return now >= at && now - at < share * seconds * 1000
}

/** Renews ours of which more than this share of their time has gone by. */
async function renew(house: House, share: number, keep: Keep): Promise<void> {
  const remembered = asked(house)
  const renewing = renewNow(house, share, keep)
  remembered.renewing = renewing
  try {
    await renewing
  } finally {
    if (remembered.renewing === renewing) remembered.renewing = null
  }
}

async function renewNow(house: House, share: number, keep: Keep): Promise<void> {
  const { all } = asked(house)
  const now = house.clock.now()
  for (const { name, wantedAt } of all.values()) if (now > wantedAt + unwantedMs) all.delete(name)
  const old = [...all.values()].filter((one) => one.claim !== null && !isFresh(one, now, share))
  for (const one of old) one.at = -Infinity // until it is known
  const claims = old.flatMap(({ claim, seconds }) => (claim ? [{ ...claim, seconds }] : []))
  const kept = new Set((await keep(claims)).map(({ name }) => name))
  for (const one of old)
    if (kept.has(one.name)) one.at = now
    else if (all.get(one.name) === one) all.delete(one.name)
}

/** When to ask again for a claim that somebody else has. */
export const askAgainAt = (now: number, seconds: number): number => now + askAfter * seconds * 1000

/** What was remembered of a claim is void: it turned out that somebody else has it. */
export const lost = (house: House, { name }: Claim): void => void asked(house).all.delete(name)
