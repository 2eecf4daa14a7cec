import { siteOf } from '#engine/lifecycle/facts.ts'
import { hasUnheard } from '#engine/lifecycle/unheard.ts'
import type { Facts } from '#store/store.ts'
import { memory } from './memory.ts'
import type { House } from './reconciler.ts'

/** Agents of a site are heard when one of them was so lately: all that wait are noted every two seconds. */
const freshMs = 15_000
/** It is asked no more often than this, and what was heard at two looks further apart may have been silent between them. */
const [everyMs, apartMs] = [10_000, 60_000]

/** Sites at which an agent is not heard: since when others are, when that was looked at, and when it mattered last. */
const heard = memory(() => new Map<string, { since: number | null; at: number; wantedAt: number }>())

/**
 * Since when agents of a site are heard without a break, by site: for those at which an agent of one of these workloads is
 * not. A single agent that is silent where others talk is in trouble of its own; where all are silent, the way to them may
 * be broken, or our ears.
 */
export async function hearing(house: House, due: Facts[], now: number): Promise<ReadonlyMap<string, number>> {
  const sites = heard(house)
  const mute = due.flatMap(({ attempts }) => attempts.filter((one) => hasUnheard(one, now)).map(({ lease }) => lease))
  for (const site of mute.map(siteOf))
    sites.set(site, { ...(sites.get(site) ?? { since: null, at: -Infinity }), wantedAt: now })
  for (const [site, { wantedAt }] of sites) if (now > wantedAt + 2 * apartMs) sites.delete(site)
  const asked = [...sites].filter(([, { at }]) => now >= at + everyMs)
  if (asked.length > 0) {
    const last = await house.store.agents.heardAt(asked.map(([site]) => site))
    for (const [site, { since, at, wantedAt }] of asked) {
      const isHeard = now < (last.get(site) ?? -Infinity) + freshMs
      const goesOn = since !== null && now <= at + apartMs
      sites.set(site, { since: isHeard ? (goesOn ? since : now) : null, at: now, wantedAt })
    }
  }
  return new Map([...sites].flatMap(([site, { since }]) => (since === null ? [] : [[site, since]])))
}
