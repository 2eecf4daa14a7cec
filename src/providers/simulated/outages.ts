import { drawOf } from '#kit/random.ts'
import type { Faults } from './faults.ts'
import type { SimulatedSite } from './options.ts'
import { drawMs } from './range.ts'

/** When a site does not answer anybody: only its API is away, or all that ran there is lost. */
export type Outages = {
  at(now: number): Down | null
  /** From now on, until it is lifted by null; what is lost for good stays so. */
  sever(how: Down | null, forGood?: boolean): void
  /** When losses began, since this was asked last. */
  losses(now: number): number[]
}

/** `hanging`: calls are never answered; `lost`: all that ran there is gone, and calls hear at once that nobody is there. */
export type Down = 'lost' | 'unreachable' | 'hanging'

type Options = { seed: string | number; site: SimulatedSite; faults: Faults; from: number }
type Outage = { from: number; to: number; lost: boolean }

/** In each of these one outage may begin: so it is known of any instant by itself what is so then. */
const slotMs = 600_000
const slotOf = (now: number): number => Math.floor(now / slotMs)

export function createOutages({ seed, site, faults, from }: Options): Outages {
  const { outages } = faults
  const windows = faults.windows
    .filter((one) => one.trouble === 'lost' && (one.site ?? site.name) === site.name)
    .map((one): Outage => ({ from: one.from, to: one.to, lost: true }))
  let known = windows
  let slot = slotOf(from)
  let askedAt = from
  let severed: Down | null = null
  let isForGood = false

  const drawn = (which: number): Outage[] => {
    if (!outages || drawOf(seed, site.name, 'outage', which) >= (outages.perHour * slotMs) / 3_600_000) return []
    const begins = which * slotMs + drawMs([0, slotMs - 1], seed, site.name, 'outage at', which)
    const lasts = drawMs(outages.lastMs, seed, site.name, 'outage for', which)
    return [{ from: begins, to: begins + lasts, lost: drawOf(seed, site.name, 'lost', which) < outages.lost }]
  }
  /** Those that may not be over yet. */
  const upTo = (now: number): Outage[] => {
    if (!outages) return known
    const fresh = Array.from({ length: Math.max(0, slotOf(now) - slot + 1) }, (_, i) => drawn(slot + i)).flat()
    slot += Math.max(0, slotOf(now) - slot + 1)
    if (fresh.length > 0)
      known = [...known.filter(({ to }) => to >= askedAt), ...fresh.filter((one) => one.from >= from)]
    return known
  }
  return {
    at(now) {
      if (severed) return severed
      const all = upTo(now).filter((one) => one.from <= now && now < one.to)
      return all.some(({ lost }) => lost) ? 'lost' : all.length > 0 ? 'unreachable' : null
    },
    sever(how, forGood = false) {
      if (isForGood) return
      severed = how
      isForGood = forGood
    },
    losses(now) {
      const begun = upTo(now).filter((one) => one.lost && one.from > askedAt - 1 && one.from <= now && one.from >= from)
      askedAt = now + 1
      return begun.map((one) => one.from)
    },
  }
}
