import { planSpot, type Holding, type SpotPlan, type SpotTerms } from '#engine/market/spot-plan.ts'
import { watchSpot, type SpotWatch } from '#engine/market/spot-rates.ts'
import { pays, staysMs } from '#engine/market/way-back.ts'

/** A job with a deadline on a recorded market: `market[zone][tick]` is 1 where spot capacity was to be had. */
export type DeadlineJob = SpotTerms & {
  market: readonly Uint8Array[]
  start: number
  /** How long a tick is, where who is on on-demand capacity goes back by the rule of the live control plane alone. */
  tickMs?: number
}

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
  const { start, left, overhead, leave = 0 } = job
  const seen = (tick: number) => job.market.map((zone) => zone[tick] === 1)
  const watch = watchSpot(job.market.length)
  for (let tick = Math.max(0, start - historyTicks); tick < start; tick++) watch.saw(seen(tick))
  const outcome: Outcome = { cost: 0, met: false, spotTicks: 0, onDemandTicks: 0, starts: 0 }
  let [holding, zone, work, starting, leaving]: [Holding, number, number, number, number] = [
    'nothing',
    -1,
    job.work,
    0,
    0,
  ]
  let plan = planSpot(job, watch.rates())
  const backs: number[] = []
  for (let t = left; t > 0 && work > 0; t--) {
    const up = seen(start + left - t)
    watch.saw(up)
    if (holding === 'spot' && !up[zone]) [holding, starting] = ['nothing', 0]
    if (leaving > 0 && --leaving === 0) holding = 'nothing'
    if (t < left && (left - t) % replanTicks === 0) plan = planSpot({ ...job, work, left: t }, watch.rates())
    let next = plan.next({ left: t, work, starting, holding, market: watch.state() })
    if (holding === 'on-demand' && (job.tickMs !== undefined || leaving > 0)) {
      const anew: SpotPlan | undefined =
        leaving > 0 || next === holding ? undefined : wayBack({ ...job, work, left: t }, { watch, backs })
      if (anew) [plan, leaving] = [anew, leave]
      if (anew) backs.push(t)
      next = anew && leave === 0 ? 'spot' : holding
    }
    if (next !== holding && next !== 'nothing') {
      starting = overhead
      outcome.starts += 1
      zone = next === 'spot' ? watch.best() : -1
    }
    holding = next
    if (holding === 'nothing') continue
    outcome.cost += holding === 'spot' ? job.spotPrice : job.onDemandPrice
    outcome[holding === 'spot' ? 'spotTicks' : 'onDemandTicks'] += 1
    if (leaving > 0) continue
    if (starting > 0) starting -= 1
    else work -= 1
  }
  return { ...outcome, met: work === 0 }
}

type Seen = { watch: SpotWatch; backs: readonly number[] }

/**
 * The plan by which it goes back to spot capacity when it has left, by the rule of the live control plane: it pays, and is long
 * enough since it did last.
 */
function wayBack(job: DeadlineJob, { watch, backs }: Seen): SpotPlan | undefined {
  const { work, left, overhead, onDemandPrice, leave = 0, tickMs = 0 } = job
  if (backs.some((before) => (before - left) * tickMs < staysMs)) return undefined
  const market = watch.state()
  const plan = planSpot({ ...job, left: left - leave }, watch.rates())
  const goes = plan.expected(market) + leave * onDemandPrice
  const isWorth = pays({ stays: work * onDemandPrice, goes, inVain: overhead * onDemandPrice })
  const isSpot = plan.next({ left: left - leave, work, starting: 0, holding: 'nothing', market }) === 'spot'
  return isWorth && isSpot ? plan : undefined
}
