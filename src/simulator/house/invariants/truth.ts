import { endOfGang, type Gang, sightingOf } from '#providers/simulated/gang.ts'
import type { SimulatedCloud } from '#providers/simulated/simulated.ts'
import { lies } from '#providers/simulated/trouble.ts'
import type { There } from './invariant.ts'
import type { RankSighting } from '#providers/provider.ts'

/** For so long after a lie the house may act on it. */
const believedMs = 60_000

const untrue = new Set<string>([...lies, 'hidden', 'ghost', 'missing', 'unbooted', 'hung', 'dropped'])

/** Whether anybody was told lately what is not so of a gang, or of its site where that was not told of one alone. */
export function hasLied(clouds: Iterable<Pick<SimulatedCloud, 'befell'>>, { site, gang }: There, now: number): boolean {
  const name = site.slice(site.indexOf('/') + 1)
  for (const cloud of clouds)
    for (const { at, site: where, token, fault } of cloud.befell().toReversed()) {
      if (at < now - believedMs && at < gang.acceptedAt) break
      const isOfIt = token === gang.token || (token === '' && at >= now - believedMs)
      if (where === name && isOfIt && untrue.has(fault)) return true
    }
  return false
}

/** What its ranks really do, shown by anybody or not; none when nothing is left of it. */
export const ranksOf = (gang: Gang, now: number): readonly RankSighting[] =>
  sightingOf({ ...gang, shownFrom: 0 }, now)?.ranks ?? []

/** Whether all was well with it until we told it to end, if we have: nothing of it ended or was taken. */
export const isHealthy = (gang: Gang, now: number): boolean =>
  gang.odd === null && gang.takenAt > now && gang.erasedAt > now && endOfGang({ ...gang, stop: null }) > now
