import { endOfGang, type Gang, sightingOf } from '#providers/simulated/gang.ts'
import type { SimulatedCloud } from '#providers/simulated/simulated.ts'
import { lies } from '#providers/simulated/trouble.ts'
import type { AgentDoes } from '#simulator/house/agent.ts'
import type { Seen, There } from './invariant.ts'

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

/** What its ranks did by themselves; it may have been told to end since. None when nothing is left of it. */
export const ranksByThemselves = (
  gang: Gang,
  { now, agentsOf }: Seen,
): readonly Pick<AgentDoes, 'state' | 'exitCode'>[] =>
  agentsOf(gang.token) ?? sightingOf({ ...gang, shownFrom: 0, stop: null }, now)?.ranks ?? []

/** Whether all was well with it until we told it to end, if we have: nothing of it ended or was taken. */
export function isHealthy(gang: Gang, { now, agentsOf }: Seen): boolean {
  const agents = agentsOf(gang.token)
  const runs = gang.odd === null && gang.takenAt > now && gang.erasedAt > now
  return (
    runs &&
    (agents
      ? agents.every(({ state, exitCode }) => state !== 'lost' && exitCode === null)
      : endOfGang({ ...gang, stop: null }) > now)
  )
}
