import { aggregate, readPlan, type Market, type MarketPlan } from '#engine/market/aggregate.ts'
import { improve } from '#engine/market/improve.ts'
import { nothingSettled, remainder, settleLargest } from '#engine/market/whole-gangs.ts'

import type { Solver } from './solver.ts'

/** A plan whose gangs are whole; `boundMicros`: what the linear program would pay, a lower bound for all placements. */
export type WholePlan = MarketPlan & { boundMicros: number }

/**
 * Plans a market in whole gangs, within about `seconds`. When time is short the rest is settled by the last answer,
 * which is a worse plan, never a wrong one. Shadow prices are those of the whole market.
 */
export async function planMarket(
  market: Market,
  solver: Solver,
  seconds: number,
): Promise<WholePlan | { problem: string }> {
  const until = performance.now() + seconds * 1000
  const solve = async (rest: Market): Promise<MarketPlan | { problem: string }> => {
    const asked = aggregate(rest)
    const reply = await solver.solve(asked.program, Math.max(0.1, (until - performance.now()) / 1000))
    return 'answer' in reply ? readPlan(rest, asked, reply.answer) : reply
  }
  const first = await solve(market)
  if ('problem' in first) return first
  let [settling, plan] = [nothingSettled(market), first]
  while (settling.settled.includes(false)) {
    settling = settleLargest(remainder(market, settling), plan, settling)
    const next = performance.now() < until ? await solve(remainder(market, settling)) : plan
    if ('gangs' in next) plan = next
  }
  const gangs = improve(market, settling.gangs)
  const unmet = market.classes.map((demand, index) => demand.gangs - (gangs[index] ?? []).reduce((a, b) => a + b, 0))
  const costMicros = market.classes.reduce(
    (sum, { choices, unmetMicros }, index) =>
      choices.reduce((all, one, choice) => all + one.costMicros * (gangs[index]?.[choice] ?? 0), sum) +
      unmetMicros * (unmet[index] ?? 0),
    0,
  )
  return { ...first, gangs, unmet, costMicros, boundMicros: first.costMicros }
}
