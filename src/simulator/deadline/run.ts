import { planSpot, type Holding, type SpotTerms } from '#engine/market/spot-plan.ts'
import { watchSpot } from '#engine/market/spot-rates.ts'

/** A job with a deadline on a recorded market: `market[zone][tick]` is 1 where spot capacity was to be had. */
export type DeadlineJob = SpotTerms & { market: readonly Uint8Array[]; start: number }

export type Outcome = {
  /** In the unit of the prices. */
  cost: number
  met: boolean
  spotTicks: number
  onDemandTicks: number
  starts: number
}

/** A plan is made anew after so many ticks, with what was learnt meanwhile. */
const replanTicks = 200
/** What the control plane has seen of the market before the job came. */
const historyTicks = 6_000

/** Runs a job through the market as the engine would: it knows what was, never what comes. */
export function runToDeadline(job: DeadlineJob): Outcome {
  const { start, left, overhead } = job
  const seen = (tick: number) => job.market.map((zone) => zone[tick] === 1)
  const watch = watchSpot(job.market.length)
  for (let tick = Math.max(0, start - historyTicks); tick < start; tick++) watch.saw(seen(tick))
  const outcome: Outcome = { cost: 0, met: false, spotTicks: 0, onDemandTicks: 0, starts: 0 }
  let [holding, zone, work, starting]: [Holding, number, number, number] = ['nothing', -1, job.work, 0]
  let plan = planSpot(job, watch.rates())
  for (let t = left; t > 0 && work > 0; t--) {
    const up = seen(start + left - t)
    watch.saw(up)
    if (holding === 'spot' && !up[zone]) [holding, starting] = ['nothing', 0]
    if (t < left && (left - t) % replanTicks === 0) plan = planSpot({ ...job, work, left: t }, watch.rates())
    const next = plan.next({ left: t, work, starting, holding, market: watch.state() })
    if (next !== holding && next !== 'nothing') {
      starting = overhead
      outcome.starts += 1
      zone = next === 'spot' ? watch.best() : -1
    }
    holding = next
    if (holding === 'nothing') continue
    outcome.cost += holding === 'spot' ? job.spotPrice : job.onDemandPrice
    outcome[holding === 'spot' ? 'spotTicks' : 'onDemandTicks'] += 1
    if (starting > 0) starting -= 1
    else work -= 1
  }
  return { ...outcome, met: work === 0 }
}
