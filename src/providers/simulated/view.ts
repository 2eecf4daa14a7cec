import { drawOf } from '#kit/random.ts'
import type { RankSighting, Sighting } from '#providers/provider.ts'
import type { Faults } from './faults.ts'
import { drawMs } from './range.ts'
import type { SiteState } from './site.ts'
import type { CallName } from './trouble.ts'
import type { Weather } from './weather.ts'

/** What a site shows of what is there: the truth, but for what befalls the answer. */
export type View = {
  list(state: SiteState, now: number): Sighting[]
  get(state: SiteState, token: string, now: number): Sighting | null
  /** As of when the offers are that are shown, and whether they tell of nodes that are not there. */
  offers(now: number, call?: 'offers' | 'inventory'): { asOf: number; isTrue: boolean }
}

type Options = { seed: string | number; site: string; faults: Faults; weather: Weather }

export function createView({ seed, site, faults, weather }: Options): View {
  const lag = (now: number) => drawMs(faults.lagMs, seed, site, 'lag', now)
  const [earliest, latest] = faults.skewMs
  const skewMs = earliest + Math.round((latest - earliest) * drawOf(seed, site, 'skew'))

  /** What is told of one gang in this answer. */
  const told = (seen: Sighting, name: CallName, now: number): Sighting => {
    const call = { name, token: seen.token, at: now }
    const isWrong =
      weather.threatens('wrong-status') && seen.ranks.some(mayBeWrong) && weather.strikes('wrong-status', call)
    const ranks = isWrong ? wrongly(seen, [seed, seen.token, 'status', now]) : seen.ranks
    const timed = weather.threatens('skewed') && ranks.some(({ startedAt }) => startedAt !== null)
    const shown = timed && weather.strikes('skewed', call) ? ranks.map(skewed) : ranks
    return shown === seen.ranks ? seen : { ...seen, ranks: shown }
  }
  const skewed = ({ startedAt, endedAt, leavesAt, ...rank }: RankSighting): RankSighting => ({
    ...rank,
    ...(leavesAt === undefined ? {} : { leavesAt: leavesAt + skewMs }),
    startedAt: startedAt === null ? null : startedAt + skewMs,
    endedAt: endedAt === null ? null : endedAt + skewMs,
  })

  return {
    list(state, now) {
      const call = { name: 'list', token: '', at: now } as const
      const asOf = weather.strikes('old-view', call) ? now - lag(now) : now
      const seen = [...state.lately(now).values()].flatMap((gang) => state.shown(gang, asOf) ?? [])
      if (seen.length > 0 && weather.strikes('page-lost', call))
        seen.splice(Math.floor(drawOf(seed, site, 'page', now) * seen.length), 1)
      return seen.map((one) => told(one, 'list', now))
    },
    get(state, token, now) {
      const gang = state.lately(now).get(token)
      if (!gang) return null
      const asOf = weather.strikes('old-view', { name: 'get', token, at: now }) ? now - lag(now) : now
      const seen = state.shown(gang, asOf)
      return seen && told(seen, 'get', now)
    },
    offers(now, name = 'offers') {
      const call = { name, token: '', at: now }
      return {
        asOf: weather.strikes('old-offers', call) ? now - lag(now) : now,
        isTrue: !weather.strikes('false-offers', call),
      }
    },
  }
}

type Draw = (string | number)[]

const mayBeWrong = ({ state, exitCode }: RankSighting): boolean =>
  state === 'running' || (state === 'exited' && exitCode !== null)

/**
 * The ranks with one of them shown as what it is not: one that runs as expected, lost or exited, or one that exited
 * without its code.
 */
function wrongly({ ranks }: Sighting, of: Draw): RankSighting[] {
  const able = ranks.filter(mayBeWrong)
  const chosen = able[Math.floor(drawOf(...of, 'rank') * able.length)]
  return ranks.map((one) => (one === chosen ? { ...one, ...untrue(one, of) } : one))
}

function untrue({ state, startedAt }: RankSighting, of: Draw): Partial<RankSighting> {
  if (state === 'exited') return { exitCode: null }
  const as = (['expected', 'lost', 'exited', 'exited'] as const)[Math.floor(drawOf(...of, 'as') * 4)]
  if (as === 'expected' || as === undefined) return { state: 'expected', startedAt: null }
  const exitCode = as === 'lost' ? null : ([0, 1, 137, null] as const)[Math.floor(drawOf(...of, 'code') * 4)]
  return { state: as, exitCode: exitCode ?? null, endedAt: startedAt }
}
