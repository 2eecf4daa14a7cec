import type { DeadlineJob } from './run.ts'

/**
 * The least that a job could have cost to anyone who knew the market in advance: dynamic programming over (tick, work
 * left, place), backwards. A start takes `overhead` ticks that are paid and do no work; it is counted as work that is
 * added, which is exact here, since who knows the future starts nothing that would be taken away before it works.
 *
 * Infinity when not even on-demand capacity could have met the deadline. O(left × work × zones).
 */
export function omniscientCost(job: DeadlineJob): number {
  const { market, start, left, work, overhead } = job
  const width = work + overhead + 1
  const places = market.length + 1 // the zones, then on-demand
  let held = fresh(places, width) // costs to go at the next tick, by what is held before it
  let idle = done(width)
  for (let tick = left - 1; tick >= 0; tick--) {
    const run = fresh(places, width) // costs of working in a place during this tick
    const entered = new Float64Array(width).fill(Number.POSITIVE_INFINITY)
    for (let place = 0; place < places; place++) {
      const onDemand = place === market.length
      if (!onDemand && market[place]?.[start + tick] !== 1) continue
      const price = onDemand ? job.onDemandPrice : job.spotPrice
      const [row, after] = [run[place] ?? done(width), held[place] ?? done(width)]
      for (let w = 1; w < width; w++) {
        const cost = price + (after[w - 1] ?? 0)
        row[w] = cost
        if (w > overhead && cost < (entered[w - overhead] ?? 0)) entered[w - overhead] = cost
      }
    }
    const nowIdle = done(width)
    for (let w = 1; w < width; w++) nowIdle[w] = Math.min(idle[w] ?? 0, entered[w] ?? Number.POSITIVE_INFINITY)
    for (const row of run) {
      row[0] = 0
      for (let w = 1; w < width; w++) row[w] = Math.min(row[w] ?? 0, nowIdle[w] ?? 0)
    }
    held = run
    idle = nowIdle
  }
  return idle[work] ?? Number.POSITIVE_INFINITY
}

function done(width: number): Float64Array {
  const costs = new Float64Array(width).fill(Number.POSITIVE_INFINITY)
  costs[0] = 0
  return costs
}

const fresh = (places: number, width: number): Float64Array[] => Array.from({ length: places }, () => done(width))
