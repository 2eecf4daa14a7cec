import type { SpotRun } from '#model/spot.ts'

import { watchSpot, type SpotWatch } from './spot-rates.ts'

/** Spot capacity of one shape at a site. */
export type Zone = Pick<SpotRun, 'site' | 'shape'>

/**
 * What is believed of a market before it was seen: for how many minutes there is capacity, and for how many none after it.
 * The octiles of 3,400 runs each way in the availability of V100 and K80 in AWS (SkyPilot's spot traces, NSDI 2024).
 */
const usualMinutes: [up: number, down: number][] = [
  [40, 10],
  [10, 52],
  [156, 10],
  [20, 325],
  [10, 20],
  [549, 30],
  [23, 117],
  [70, 10],
]
/** It counts as if it had been seen for three days. */
const usualTimes = 3
/** Zones are not alike at one time: each is so far ahead of the one before. */
const stagger = 0.382

/** How old on average is what one comes upon in such a market: half the mean square of the runs over their mean. */
const usualAgeMinutes = 190

/** What is longer ago counts no more: there is a half-life in the rates. */
const mostTicks = 2_000

/**
 * A watch over zones as it would stand now if it had seen, tick by tick, what we held in them and what we were refused. While
 * we held nothing in a zone nobody looked: it is believed to have had capacity, as old as one comes upon it.
 */
export function watchRuns(
  zones: readonly Zone[],
  runs: readonly SpotRun[],
  { now, tickMs }: { now: number; tickMs: number },
): SpotWatch {
  const watch = watchSpot(zones.length, Math.round((usualAgeMinutes * 60_000) / tickMs))
  const usual = usualMinutes.flatMap(([up, down]) => [...ticksOf(true, up, tickMs), ...ticksOf(false, down, tickMs)])
  for (let tick = 0; tick < usual.length * usualTimes; tick++)
    watch.saw(zones.map((_, zone) => usual[(tick + Math.round(zone * stagger * usual.length)) % usual.length] ?? true))
  const seen = zones.map((zone) => seenOf(zone, runs, { now, tickMs }))
  for (let tick = 0; tick < mostTicks; tick++)
    watch.saw(
      seen.map((of) => of[tick] !== taken),
      seen.map((of) => of[tick] !== unseen),
    )
  return watch
}

const ticksOf = (up: boolean, minutes: number, tickMs: number): boolean[] =>
  Array.from({ length: Math.max(1, Math.round((minutes * 60_000) / tickMs)) }, () => up)

const [unseen, held, taken] = [0, 1, 2]

/** What was seen of a zone in each of the last ticks, the oldest first. */
function seenOf(zone: Zone, runs: readonly SpotRun[], { now, tickMs }: { now: number; tickMs: number }): Uint8Array {
  const ticks = new Uint8Array(mostTicks)
  const tickAt = (at: number): number => mostTicks - 1 - Math.floor((now - at) / tickMs)
  for (const run of runs) {
    if (run.site !== zone.site || run.shape !== zone.shape) continue
    const [first, last] = [Math.max(0, tickAt(run.from)), Math.min(mostTicks - 1, tickAt(run.until ?? now))]
    for (let tick = first; tick <= last; tick++) if (ticks[tick] === unseen) ticks[tick] = held
    if (run.taken && last >= 0) ticks[last] = taken
  }
  return ticks
}
